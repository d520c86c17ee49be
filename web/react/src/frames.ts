/** What the server tells of runs: the shapes of frames, and what is known of a run after one more of them. Pure. */

export type RunStatus = 'queued' | 'processing' | 'succeeded' | 'failed';

/** Why a run failed: `code` for programs, `message` for people. */
export interface ErrorCause {
  code: string;
  message: string;
}

/** A run at one moment. */
export interface RunState {
  runId: string;
  audioId: string;
  status: RunStatus;
  /** 0 to 100, of audio that is done. */
  progress: number;
  /** Milliseconds since the upload. */
  timeElapsed: number;
  /** Seconds; null while it is not known. */
  estimatedTimeRemaining: number | null;
  /** From 1, while the run is queued. */
  queuePosition: number | null;
  chunksDone: number;
  /** Null until the whole recording is cut. */
  chunksTotal: number | null;
  error: ErrorCause | null;
}

export interface Word {
  word: string;
  start: number;
  end: number;
  confidence: number;
}

/** A piece of text; `index` rises with time and never changes, and of two with the same the later one counts. */
export interface Segment {
  index: number;
  start: number;
  end: number;
  text: string;
  confidence: number;
  words?: Word[];
  channel?: number;
  speaker?: string;
}

/** What a subscriber of a run gets; `segments` are those of the chunks that were finished. */
export interface RunFrame extends RunState {
  event: 'init' | 'update' | 'done';
  segments?: Segment[];
}

/** The runs that are under way. */
export interface SnapshotFrame {
  event: 'snapshot';
  items: RunState[];
}

export type GlobalFrame = SnapshotFrame | RunFrame;

/** What `pollRunProgress` answers. */
export interface RunProgress extends RunState {
  audio: { id: string; filename: string; durationMs: number | null; sizeBytes: number | null };
  jobs: {
    id: string;
    jobType: string;
    status: string;
    retryCount: number;
    createdAt: string;
    updatedAt: string;
    errorMessage: string | null;
  }[];
  createdAt: string;
  completedAt: string | null;
}

/** Trouble with the connection, not with a run. */
export interface Trouble {
  code: string;
  message: string;
}

/** A run's state as it comes over the line: what is not known, or has not changed, may be left out. */
export type ToldState = Pick<
  RunState,
  'runId' | 'audioId' | 'status' | 'progress' | 'timeElapsed' | 'chunksDone'
> &
  Partial<RunState>;

const UNKNOWN = { estimatedTimeRemaining: null, queuePosition: null, chunksTotal: null, error: null };
const RANK: Record<RunStatus, number> = { queued: 0, processing: 1, succeeded: 2, failed: 2 };

export const isFinal = (status: RunStatus): boolean => RANK[status] === 2;

/**
 * What is known of a run after it was told.
 *
 * Polling may have been ahead of the stream: what is older changes nothing. A run that had ended begins anew, by a retry.
 */
export function advance(known: RunState | undefined, told: ToldState): RunState {
  const goesOn = known !== undefined && !isFinal(known.status);
  if (goesOn && (RANK[told.status] < RANK[known.status] || told.chunksDone < known.chunksDone)) return known;
  const state = { ...UNKNOWN, ...(goesOn ? known : {}), ...stateOf(told) };
  return state.status === 'queued' ? state : { ...state, queuePosition: null };
}

/** Whether two states would look the same to people. */
export function looksSame(one: RunState, other: RunState): boolean {
  return SEEN.every((key) => one[key] === other[key]);
}

const SEEN = [
  'status',
  'progress',
  'estimatedTimeRemaining',
  'queuePosition',
  'chunksDone',
  'chunksTotal',
] as const;

function stateOf(told: ToldState): ToldState {
  const { runId, audioId, status, progress, timeElapsed, chunksDone } = told;
  const state: ToldState = { runId, audioId, status, progress, timeElapsed, chunksDone };
  if (told.estimatedTimeRemaining !== undefined) state.estimatedTimeRemaining = told.estimatedTimeRemaining;
  if (told.queuePosition !== undefined) state.queuePosition = told.queuePosition;
  if (told.chunksTotal !== undefined) state.chunksTotal = told.chunksTotal;
  if (told.error !== undefined) state.error = told.error;
  return state;
}
