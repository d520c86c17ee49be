import type texts from './en.json';

export type Remedy = keyof typeof texts.failed.remedies;

// The codes of a failed run, as docs/api.md lists them.
const REMEDIES: Record<string, Remedy> = {
  canceled: 'canceled',
  not_audio: 'otherFile',
  unfit_audio: 'options',
  unknown_language: 'options',
  too_long: 'smaller',
  too_large: 'smaller',
  storage_quota: 'room',
  import_refused: 'address',
  import_failed: 'source',
  audio_missing: 'upload',
  worker_lost: 'operator',
  engine_refused: 'operator',
  engine_busy: 'later',
};

/** Return what to do about a run that failed: most often, try again. */
export function remedyOf(code: string): Remedy {
  return REMEDIES[code] ?? 'retry';
}
