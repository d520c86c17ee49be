import { expect, it } from 'vitest';
import { type KnownWorker, withGone } from './fleet';

const worker = (id: string, state: 'running' | 'draining' = 'running') => ({
  id,
  state,
  engine: 'whisper',
  model: 'base',
  slots: 2,
  busy: 1,
  lastSeen: '2026-11-27T09:00:00Z',
});
const states = (workers: KnownWorker[]) => workers.map(({ id, state }) => `${id} ${state}`);

it('keeps a worker that is listed no more as gone', () => {
  const before = withGone([], [worker('a'), worker('b')]);
  const after = withGone(before, [worker('b', 'draining')]);
  expect(states(after)).toEqual(['b draining', 'a gone']);
  expect(after[1]?.busy).toBe(0);
});

it('takes back one that is listed again', () => {
  const gone = withGone(withGone([], [worker('a')]), []);
  expect(states(withGone(gone, [worker('a')]))).toEqual(['a running']);
});

it('forgets the gone that are too many, the oldest first', () => {
  const names = Array.from({ length: 25 }, (_, place) => `w${place}`);
  let known: KnownWorker[] = [];
  for (const name of names) known = withGone(known, [worker(name)]);
  expect(known).toHaveLength(21);
  expect(known.map(({ id }) => id)).not.toContain('w0');
});
