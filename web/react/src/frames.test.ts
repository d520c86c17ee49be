import { expect, test } from 'vitest';
import { advance } from './frames';
import { told } from './testing/frames';

const known = advance(
  undefined,
  told({ chunksDone: 3, progress: 30, estimatedTimeRemaining: 60, chunksTotal: 10 }),
);

test('what was never told is null', () => {
  const { estimatedTimeRemaining, queuePosition, chunksTotal, error } = advance(undefined, told());
  expect([estimatedTimeRemaining, queuePosition, chunksTotal, error]).toEqual([null, null, null, null]);
});

test.each([
  [
    'what is left out stays',
    { chunksDone: 4 },
    { chunksDone: 4, estimatedTimeRemaining: 60, chunksTotal: 10 },
  ],
  [
    'what is not known any more is null',
    { chunksDone: 3, estimatedTimeRemaining: null },
    { estimatedTimeRemaining: null },
  ],
  ['fewer chunks are older', { chunksDone: 2, progress: 20 }, { chunksDone: 3, progress: 30 }],
  ['queued is older than processing', { status: 'queued', chunksDone: 3 }, { status: 'processing' }],
  ['an end is newer', { status: 'failed', chunksDone: 3 }, { status: 'failed' }],
] as const)('%s', (_, news, state) => {
  expect(advance(known, told(news))).toMatchObject(state);
});

test('only a queued run has a place', () => {
  const queued = advance(undefined, told({ status: 'queued', queuePosition: 4 }));
  expect(queued.queuePosition).toBe(4);
  expect(advance(queued, told({ status: 'processing' })).queuePosition).toBeNull();
});

test('a retry begins anew', () => {
  const failed = advance(
    known,
    told({ status: 'failed', chunksDone: 3, error: { code: 'deadline', message: 'late' } }),
  );
  expect(advance(failed, told({ status: 'queued', chunksDone: 3 }))).toMatchObject({
    status: 'queued',
    error: null,
  });
});
