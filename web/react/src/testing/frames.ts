import type { ToldState } from '../frames';

/** A run's state as the server tells it. */
export function told(part: Partial<ToldState> = {}): ToldState {
  return {
    runId: 'r1',
    audioId: 'a1',
    status: 'processing',
    progress: 0,
    timeElapsed: 1,
    chunksDone: 0,
    ...part,
  };
}

export const update = (part: Partial<ToldState> = {}, indexes: number[] = []) => ({
  event: 'update' as const,
  ...told(part),
  ...(indexes.length ? { segments: indexes.map(segment) } : {}),
});

export const done = (part: Partial<ToldState> = {}) => ({
  event: 'done' as const,
  ...told({ status: 'succeeded', progress: 100, ...part }),
});

export const segment = (index: number) => ({
  index,
  start: index,
  end: index + 1,
  text: 'words',
  confidence: 1,
});
