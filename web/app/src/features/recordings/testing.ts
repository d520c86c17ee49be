import type { State } from './news';
import type { Run, RunPages } from './runs';

/** A run that is under way, for tests. */
export function aRun(runId: string, more: Partial<Run> = {}): Run {
  return {
    id: runId,
    audioId: `audio of ${runId}`,
    filename: `${runId}.ogg`,
    durationMs: 60_000,
    sizeBytes: 1_000_000,
    engine: 'whisper',
    model: 'base',
    language: 'en',
    options: { task: null, hotwords: null, diarize: null, channels: null, track: null },
    speakers: {},
    edited: false,
    metadata: {},
    createdAt: '2026-11-27T09:00:00.000Z',
    updatedAt: '2026-11-27T09:00:00.000Z',
    completedAt: null,
    matches: null,
    ...aState(runId),
    ...more,
  };
}

/** What the stream tells of a run that is under way, for tests. */
export function aState(runId: string, more: Partial<State> = {}): State {
  return {
    runId,
    status: 'processing',
    progress: 10,
    timeElapsed: 1_000,
    estimatedTimeRemaining: 120,
    queuePosition: null,
    chunksDone: 1,
    chunksTotal: 10,
    error: null,
    ...more,
  };
}

export function pagesOf(...pages: Run[][]): RunPages {
  return { pages: pages.map((items) => ({ items, nextCursor: null })), pageParams: pages.map(String) };
}
