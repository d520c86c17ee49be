import { describe, expect, it } from 'vitest';
import { piecesOf } from './words';

const words = (...said: string[]) => said.map((word) => ({ word, start: 0, end: 0, confidence: 1 }));

describe('the pieces of a text', () => {
  it.each([
    ['Good morning.', words(' Good', ' morning.'), '0:Good| |1:morning.'],
    ['Good morning.', words('Good', 'morning'), '0:Good| |1:morning|.'],
    ['大家早上好。', words('大家', '早上', '好。'), '0:大家|1:早上|2:好。'],
    ['我用 Python 写', words('我', '用', ' Python', ' 写'), '0:我|1:用| |2:Python| |3:写'],
    ['a b', words('a', 'x', 'b'), '0:a| |2:b'],
    ['ha ha', words('ha', 'ha'), '0:ha| |1:ha'],
    ['no words', [], 'no words'],
    ['blank', words(' ', 'blank'), '1:blank'],
    ['', words('gone'), ''],
  ])('of %j', (text, said, expected) => {
    const pieces = piecesOf(text, said);
    const told = pieces.map(({ from, to, word }) => (word === null ? '' : `${word}:`) + text.slice(from, to));
    expect(told.join('|')).toBe(expected);
    expect(pieces.map(({ from, to }) => text.slice(from, to)).join('')).toBe(text);
  });

  it('do not jump to a word that is far away', () => {
    const text = `one ${'and '.repeat(20)}two`;
    expect(piecesOf(text, words('one', 'two')).at(-1)?.word).toBeNull();
  });
});
