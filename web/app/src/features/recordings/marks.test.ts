import { describe, expect, it } from 'vitest';
import { asksForSomething, marks } from './marks';

/** Write marked parts in brackets. */
const shown = (text: string, query: string) =>
  marks(text, query)
    .map((part) => (part.marked ? `[${part.text}]` : part.text))
    .join('');

describe('marks', () => {
  it.each([
    ['The Budget of 2026', 'budget', 'The [Budget] of 2026'],
    ['transcripts', 'transcri', '[transcri]pts'],
    ['so it is', 'is', 'so it [is]'],
    ['this', 'is', 'this'],
    ['a transcript', '"transcri"', 'a transcript'],
    ['of long recordings, long ago', 'long recordings', 'of [long] [recordings], [long] ago'],
    ['of long recordings, long ago', '"long recordings"', 'of [long recordings], long ago'],
    ["don't", "don't", "[don't]"],
    ['我们讨论了预算问题。', '预算', '我们讨论了[预算]问题。'],
    ['我们讨论了预算问题。', '“预算问题”', '我们讨论了[预算问题]。'],
    ['ＡＢＣ公司', 'abc', '[ＡＢＣ]公司'],
    ['iPhone手机', 'iphone手机', '[iPhone手机]'],
    ['Straße 5', 'STRASSE', '[Straße] 5'],
    ['cafe\u0301s', 'caf\u00e9', '[cafe\u0301]s'],
    ['😀 budget', 'budget', '😀 [budget]'],
    ['minutes_2026.ogg', '2026', 'minutes_[2026].ogg'],
    ['a.*b', '.*', 'a.*b'],
    ['<b>bold</b>', 'bold', '<b>[bold]</b>'],
    ['', 'a', ''],
  ])('of %s by %s are %s', (text, query, expected) => {
    expect(shown(text, query)).toBe(expected);
  });

  it('leave no letter of the text out', () => {
    const text = 'ﬁnal Ⅷ ﬁ';
    expect(
      marks(text, 'viii fi')
        .map((part) => part.text)
        .join(''),
    ).toBe(text);
  });
});

it.each([
  ['', false],
  [' .-" ', false],
  ['a', true],
  ['算', true],
  ['7', true],
])('%s asks for something: %s', (query, expected) => {
  expect(asksForSomething(query)).toBe(expected);
});
