import { describe, expect, it } from 'vitest';
import { rowsOf } from './rows';
import type { Segment } from './segments';

const segment = (index: number, start: number, more: Partial<Segment> = {}): Segment => ({
  index,
  start,
  end: start + 10,
  text: `at ${start}`,
  ...more,
});
const told = (...args: Parameters<typeof rowsOf>) =>
  rowsOf(...args).map((row) =>
    row.kind === 'gap' ? `gap ${row.start}-${row.end ?? ''}` : `${row.segment.index}${row.head ?? ''}`,
  );

describe('the rows', () => {
  it.each([
    ['nothing yet', [], 'processing', 60, []],
    ['the first chunk', [segment(0, 0)], 'processing', 60, ['0', 'gap 10-60']],
    ['a later chunk', [segment(2000, 40)], 'processing', 50, ['gap 0-40', '2000']],
    [
      'a chunk missing between',
      [segment(0, 0), segment(2000, 40)],
      'processing',
      50,
      ['0', 'gap 10-40', '2000'],
    ],
    ['chunks side by side', [segment(0, 0), segment(1000, 30)], 'processing', 40, ['0', '1000']],
    ['an unknown length', [segment(0, 0)], 'processing', null, ['0', 'gap 10-']],
    ['a run that failed', [segment(0, 0)], 'failed', 60, ['0', 'gap 10-60']],
    ['a run that succeeded', [segment(0, 0), segment(3000, 50)], 'succeeded', 90, ['0', '3000']],
    ['less than a pause', [segment(0, 0), segment(2000, 13)], 'processing', 25, ['0', '2000']],
  ] as const)('of %s', (_, segments, status, length, expected) => {
    expect(told(segments, status, length)).toEqual(expected);
  });

  it('name a speaker where another one spoke before', () => {
    const said = [
      segment(0, 0, { speaker: '1' }),
      segment(5, 10, { speaker: '1' }),
      segment(10, 20, { speaker: '2' }),
    ];
    expect(told(said, 'succeeded', 30)).toEqual(['01', '5', '102']);
  });
});
