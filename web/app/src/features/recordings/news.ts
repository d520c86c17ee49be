import type { RunFrame, RunState, RunStatus } from '@lingoloop/react';

/** What the shared stream tells of a run at one moment; it has more, which the list has no use for. */
export type State = Omit<RunState, 'audioId'>;

export type Frame = { event: 'snapshot'; items: State[] } | (State & Pick<RunFrame, 'event'>);

/** Return the states that a frame tells, without what else is in it: its words belong in no list. Pure. */
export function statesIn(frame: Frame): State[] {
  return frame.event === 'snapshot' ? frame.items.map(stateOf) : [stateOf(frame)];
}

/**
 * Tells which frames change more than rows show: a run that is new, or whose status is another. Then the lists are to be
 * read again, for what frames do not hold: names, lengths, languages, and whether the filter still fits.
 */
export class News {
  #statuses = new Map<string, RunStatus>();

  isIn(frame: Frame): boolean {
    if (frame.event === 'snapshot') {
      // The first one, or the line was broken: runs may have ended that it does not name.
      this.#statuses = new Map(frame.items.map(({ runId, status }) => [runId, status]));
      return true;
    }
    const known = this.#statuses.get(frame.runId);
    if (frame.event === 'done') this.#statuses.delete(frame.runId);
    else this.#statuses.set(frame.runId, frame.status);
    return known !== frame.status;
  }
}

/** Return a run's state without what else is known of it. Pure. */
export function stateOf(state: State): State {
  const { runId, status, progress, timeElapsed, estimatedTimeRemaining, queuePosition } = state;
  const { chunksDone, chunksTotal, error } = state;
  return {
    runId,
    status,
    progress,
    timeElapsed,
    estimatedTimeRemaining,
    queuePosition,
    chunksDone,
    chunksTotal,
    error,
  };
}
