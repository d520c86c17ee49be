import { describe, expect, it } from 'vitest';
import { changeOf, shownAs } from './editing';

const before = { index: 5, start: 1, end: 2, text: 'What was said.', speaker: '1' };

describe('an edit', () => {
  it.each([
    ['nothing', before.text, '1', null],
    ['spaces alone', '  What  was said. ', '1', null],
    ['the text', 'What was really\nsaid.', '1', { text: 'What was really said.' }],
    ['the speaker', before.text, '2', { speaker: '2' }],
    ['both', 'Other.', '2', { text: 'Other.', speaker: '2' }],
    ['all of the text away', '', '1', { text: '' }],
  ])('of %s sends only that', (_, text, speaker, change) => {
    expect(changeOf(before, { text, speaker })).toEqual(change);
  });

  it('of a segment whose speaker nobody knew leaves it so', () => {
    expect(changeOf({ ...before, speaker: null }, { text: before.text, speaker: null })).toBeNull();
  });

  it('is shown as edited at once', () => {
    expect(shownAs(before, { text: 'Other.', speaker: '2' })).toEqual({
      ...before,
      text: 'Other.',
      speaker: '2',
      edited: true,
    });
  });
});
