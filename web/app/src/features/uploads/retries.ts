import { ApiError } from '../../api/problem';

/** Seconds before each next try; after the last one a person has to ask. About eleven minutes in all. */
export const DELAYS = [1, 2, 4, 8, 15, 30, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60];

const LONGEST_S = 600;

/**
 * Return how many milliseconds to wait before the next try, null if none is worth it.
 * `failures` counts those in a row, this one too; `begun`: the server had something of it;
 * `random` (0 to 1) spreads those who failed together.
 */
export function delayAfter(error: Error, failures: number, begun: boolean, random: number): number | null {
  const seconds = DELAYS[failures - 1];
  const helps = mayPass(error) || (begun && isGone(error));
  if (seconds === undefined || !helps) return null;
  const asked = error instanceof ApiError ? Math.min(error.problem.retryAfter ?? 0, LONGEST_S) : 0;
  return 1000 * Math.max(asked, seconds * (0.5 + random / 2));
}

/** Whether the server has dropped an upload, which then is begun anew. */
export function isGone(error: Error): boolean {
  return error instanceof ApiError && (error.status === 404 || error.status === 410);
}

/** Whether another try may go better: no answer, too many requests, a request of ours still under way, trouble over there. */
function mayPass(error: Error): boolean {
  if (!(error instanceof ApiError)) return false;
  const { status } = error;
  return status < 400 || [408, 409, 423, 429, 460].includes(status) || (status >= 500 && status !== 507);
}

const FINAL = ['too_large', 'not_audio', 'too_long', 'invalid_value', 'unsupported'];

/** Whether it is of use that a person tries again: the file and what was asked stay what they are. */
export function worthAnotherTry(error: Error): boolean {
  return !(error instanceof ApiError && FINAL.includes(error.problem.code));
}
