import { describe, expect, it } from 'vitest';
import { newest, type Run, runsOf, wasCanceled, withoutAudio, withStates } from './runs';
import { aRun, pagesOf } from './testing';

describe('withStates', () => {
  it('changes the runs that are told of, on whichever page', () => {
    const pages = pagesOf([aRun('a'), aRun('b')], [aRun('c')]);
    const after = withStates(pages, [{ runId: 'c', status: 'succeeded', progress: 100 }]);
    expect(runsOf(after).map(({ runId, status }) => `${runId} ${status}`)).toEqual([
      'a processing',
      'b processing',
      'c succeeded',
    ]);
    expect(runsOf(after)[2]?.filename).toBe('c.ogg');
  });

  it('leaves pages as they are that have none of them', () => {
    const pages = pagesOf([aRun('a')]);
    expect(withStates(pages, [{ runId: 'x', status: 'failed' }])).toBe(pages);
  });
});

it.each([
  [2_000, 1_000, 50],
  [1_000, 2_000, 10],
])('of what was told after %d ms and read after %d ms keeps the newer', (told, read, progress) => {
  const known = [aRun('a', { timeElapsed: told, progress: 50, filename: 'old name' })];
  const page = { items: [aRun('a', { timeElapsed: read, progress: 10 })], nextCursor: null };
  const [run] = newest(known, page).items;
  expect(run?.progress).toBe(progress);
  expect(run?.filename).toBe('a.ogg');
});

it('takes all runs of a deleted recording out', () => {
  const pages = pagesOf([aRun('a', { audioId: 'one' }), aRun('b')], [aRun('c', { audioId: 'one' })]);
  expect(runsOf(withoutAudio(pages, 'one')).map(({ runId }) => runId)).toEqual(['b']);
});

it('lists a run once that moved onto the next page', () => {
  expect(runsOf(pagesOf([aRun('a'), aRun('b')], [aRun('b'), aRun('c')])).map(({ runId }) => runId)).toEqual([
    'a',
    'b',
    'c',
  ]);
});

it.each<[Partial<Run>, boolean]>([
  [{ status: 'failed', error: { code: 'canceled', message: '' } }, true],
  [{ status: 'failed', error: { code: 'not_audio', message: '' } }, false],
  [{ status: 'queued', error: { code: 'canceled', message: '' } }, false], // tried again
])('of %o tells whether it was cancelled: %s', (run, expected) => {
  expect(wasCanceled(aRun('a', run))).toBe(expected);
});
