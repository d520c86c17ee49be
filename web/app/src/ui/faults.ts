import { ApiError } from '../api/problem';
import type texts from './en.json';

type What = keyof typeof texts.faults;
type Todo = keyof typeof texts.todo;

const BY_STATUS: Record<number, [What, Todo]> = {
  0: ['unreachable', 'connection'],
  400: ['refused', 'mend'],
  401: ['signedOut', 'signIn'],
  403: ['forbidden', 'ask'],
  404: ['gone', 'back'],
  409: ['state', 'reload'],
  413: ['tooLarge', 'smaller'],
  415: ['notAudio', 'other'],
  422: ['refused', 'mend'],
  429: ['busy', 'later'],
};

const BY_CODE: Record<string, [What, Todo]> = {
  not_audio: ['notAudio', 'other'],
  too_long: ['tooLong', 'smaller'],
  storage_quota: ['full', 'delete'],
};

/** Return the keys of the texts that tell a person what went wrong, and what to do about it. */
export function explained(error: Error): [What, Todo] {
  if (!(error instanceof ApiError)) return ['page', 'reload'];
  return BY_CODE[error.problem.code] ?? BY_STATUS[error.status] ?? ['server', 'later'];
}
