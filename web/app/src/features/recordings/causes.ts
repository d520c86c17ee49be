import type texts from './en.json';

export type What = keyof typeof texts.causes;
export type Todo = keyof typeof texts.todo;

/** Of each code with which runs fail: what to do about it. */
const TODO: Record<Exclude<What, 'unknown'>, Todo> = {
  not_audio: 'otherFile',
  too_long: 'parts',
  too_large: 'parts',
  unfit_audio: 'otherOptions',
  unknown_language: 'otherLanguage',
  storage_quota: 'makeRoom',
  import_refused: 'otherAddress',
  import_failed: 'laterOrFile',
  audio_missing: 'uploadAgain',
  canceled: 'retry',
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
export function causeOf(code: string): [What, Todo] {
  return isKnown(code) ? [code, TODO[code]] : ['unknown', 'retryOrAsk'];
}

function isKnown(code: string): code is keyof typeof TODO {
  return Object.hasOwn(TODO, code);
}
