import { describe, expect, it } from 'vitest';
import { cut, find, MOST } from './find';

const segment = (index: number, text: string) => ({ index, start: 0, end: 0, text });

describe('finding', () => {
  it.each([
    ['good', ['Good, good.'], '0:0-4 0:6-10'],
    ['GOOD  morning ', ['Good morning'], '0:0-12'],
    ['早上', ['大家早上好'], '0:2-4'],
    ['a.b', ['axb a.b'], '0:4-7'],
    ['(', ['f(x)'], '0:1-2'],
    ['straße', ['In der Straße'], '0:7-13'],
    ['x', ['x', 'y', 'x'], '0:0-1 2:0-1'],
    ['  ', ['a  b'], ''],
    ['none', ['a'], ''],
  ])('%j', (text, texts, expected) => {
    const found = find(
      texts.map((said, index) => segment(index, said)),
      text,
    );
    expect(found.map(({ index, from, to }) => `${index}:${from}-${to}`).join(' ')).toBe(expected);
  });

  it('ends where nobody would step on', () => {
    expect(find([segment(0, 'e'.repeat(MOST + 5))], 'e')).toHaveLength(MOST);
  });
});

it.each([
  [0, 5, [[1, 3]], '0-1 [1-3] 3-5'],
  [0, 5, [[3, 9]], '0-3 [3-5]'],
  [5, 9, [[3, 7]], '[5-7] 7-9'],
  [
    0,
    5,
    [
      [0, 2],
      [2, 5],
    ],
    '[0-2] [2-5]',
  ],
  [0, 5, [[6, 8]], '0-5'],
  [0, 5, [], '0-5'],
])('the part %i to %i is cut by %j', (from, to, spans, expected) => {
  const matches = spans.map(([begin = 0, end = 0]) => ({ index: 0, from: begin, to: end }));
  const told = cut(from, to, matches).map((part) => {
    const span = `${part.from}-${part.to}`;
    return part.match ? `[${span}]` : span;
  });
  expect(told.join(' ')).toBe(expected);
});
