import { describe, expect, it } from 'vitest';
import { lastBegun, type Segment, withRead, withTold } from './segments';

const words = [{ word: 'x', start: 0, end: 1, confidence: 1 }];
const segment = (index: number, text: string, more: Partial<Segment> = {}): Segment => ({
  index,
  start: index,
  end: index + 1,
  text,
  words,
  ...more,
});
const texts = (segments: readonly Segment[]) => segments.map(({ index, text }) => `${index} ${text}`);

describe('what a frame tells', () => {
  it.each([
    ['chunks in any order', [segment(2000, 'c')], [segment(0, 'a'), segment(1000, 'b')], '0 a,1000 b,2000 c'],
    ['unsorted ones', [], [segment(1, 'b'), segment(0, 'a')], '0 a,1 b'],
    ['the same once more', [segment(0, 'a')], [segment(0, 'a')], '0 a'],
    [
      'one twice, of which the later counts',
      [],
      [segment(0, 'a'), segment(0, 'A'), segment(1, 'b')],
      '0 A,1 b',
    ],
    ['another version of one', [segment(0, 'a')], [segment(0, 'A')], '0 A'],
    ['what a person has edited', [segment(0, 'mine', { edited: true })], [segment(0, 'a')], '0 mine'],
    ['text without words, where there are words', [segment(0, 'a')], [segment(0, 'b', { words: [] })], '0 b'],
    ['nothing', [segment(0, 'a')], [], '0 a'],
  ])('of %s', (_, known, told, expected) => {
    expect(texts(withTold(known, told)).join()).toBe(expected);
  });

  it('does not take away words that are known', () => {
    const { words: _, ...bare } = segment(0, 'a');
    expect(withTold([segment(0, 'a')], [bare])[0]?.words).toEqual(words);
  });

  it('leaves the other segments the very same objects, so that their rows stay as they are', () => {
    const first = segment(0, 'a');
    expect(withTold([first], [segment(1000, 'b')])[0]).toBe(first);
  });
});

it('what was read counts, also when a correction was taken back', () => {
  expect(texts(withRead([segment(0, 'mine', { edited: true })], [segment(0, 'a')])).join()).toBe('0 a');
});

it.each([
  [-1, -1],
  [0, 0],
  [0.9, 0],
  [1, 1],
  [99, 2],
])('at %f s the last to have begun is %i', (seconds, place) => {
  expect(lastBegun([{ start: 0 }, { start: 1 }, { start: 5 }], seconds)).toBe(place);
});
