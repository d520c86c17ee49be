import { describe, expect, test } from 'vitest';
import { backoff } from './backoff';
import { judge } from './order';
import { pause } from './polling';
import { Recent } from './recent';
import { Runs } from './runs';
import { done, told, update } from './testing/frames';

describe('backoff', () => {
  test.each([
    [1, 1_000],
    [2, 2_000],
    [5, 16_000],
    [50, 60_000],
  ])('after %i failures at most %i ms, at least half of it', (failures, most) => {
    expect(backoff(failures, () => 1)).toBe(most);
    expect(backoff(failures, () => 0)).toBe(most / 2);
  });
});

describe('the pause between polls', () => {
  test.each([
    [10_000, true, 2_000],
    [2_000, false, 3_000],
    [29_000, false, 30_000],
  ])('after %i ms, news: %s', (before, news, next) => {
    expect(pause(before, news, () => 0.5)).toBeCloseTo(next);
  });
});

describe('which frames a tab takes', () => {
  test.each([
    [5, 6, 'take'],
    [5, null, 'take'],
    [5, 5, 'drop'],
    [5, 2, 'drop'],
    [5, 7, 'ask'],
    [null, 7, 'ask'],
    [null, null, 'ask'],
  ] as const)('told up to %s, frame %s: %s', (lastId, id, verdict) => {
    expect(judge(lastId, id)).toBe(verdict);
  });
});

describe('recent frames', () => {
  const filled = (count: number, length: number) => {
    const recent = new Recent();
    for (let id = 1; id <= count; id += 1) recent.add({ id, text: 'x'.repeat(length) });
    return recent;
  };
  test('those after a number', () =>
    expect(
      filled(5, 1)
        .after(3)
        ?.map(({ id }) => id),
    ).toEqual([4, 5]));
  test('none after the last', () => expect(filled(5, 1).after(5)).toBeNull());
  test('none when one of them has gone', () => expect(filled(600, 1).after(50)).toBeNull());
  test('few when they are long', () => expect(filled(40, 2 ** 17).after(24)).toHaveLength(16));
  test('not more characters than may be', () => expect(filled(40, 2 ** 17).after(23)).toBeNull());
});

describe('runs', () => {
  test('a snapshot is all that is known', () => {
    const runs = new Runs();
    runs.apply(update({ runId: 'old' }));
    runs.apply({ event: 'snapshot', items: [told({ runId: 'new' })] });
    expect(runs.items.map(({ runId }) => runId)).toEqual(['new']);
  });
  test('a run that has ended is forgotten', () => {
    const runs = new Runs();
    runs.apply(update());
    expect(runs.apply(done())).toMatchObject({ event: 'done', status: 'succeeded' });
    expect(runs.get('r1')).toBeUndefined();
  });
  test('the longest known go when there are too many', () => {
    const runs = new Runs();
    for (let number = 0; number <= 1_000; number += 1) runs.apply(update({ runId: `r${number}` }));
    expect([runs.items.length, runs.get('r0'), runs.get('r1000')?.runId]).toEqual([
      1_000,
      undefined,
      'r1000',
    ]);
  });
});
