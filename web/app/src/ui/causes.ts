import type texts from './en.json';

export type What = keyof typeof texts.causes;
export type Remedy = keyof typeof texts.remedies;

/** Of each code with which runs fail, as docs/api.md lists them: what to do about it. */
const REMEDIES: Record<Exclude<What, 'unknown'>, Remedy> = {
  not_audio: 'otherFile',
  too_long: 'parts',
  too_large: 'parts',
  unfit_audio: 'otherOptions',
  unknown_language: 'otherLanguage',
  storage_quota: 'makeRoom',
  import_refused: 'otherAddress',
  import_failed: 'laterOrFile',
  audio_missing: 'uploadAgain',
  canceled: 'goOn',
  worker_lost: 'ask',
  engine_refused: 'ask',
  engine_busy: 'later',
  slot_died: 'retryOrAsk',
  deadline: 'retryOrAsk',
  engine_failed: 'retryOrAsk',
  storage_failed: 'retryOrAsk',
  internal_error: 'retryOrAsk',
};

/** Return the keys of the texts that tell a person why a run failed, and what to do; also for a code that came later. */
export function causeOf(code: string): [What, Remedy] {
  return isKnown(code) ? [code, REMEDIES[code]] : ['unknown', 'retryOrAsk'];
}

function isKnown(code: string): code is keyof typeof REMEDIES {
  return Object.hasOwn(REMEDIES, code);
}
