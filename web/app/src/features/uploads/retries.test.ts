import { describe, expect, it } from 'vitest';
import { ApiError } from '../../api/problem';
import { DELAYS, delayAfter, worthAnotherTry } from './retries';

const fault = (status: number, code = 'x', retryAfter?: number) =>
  new ApiError(status, { code, detail: '', ...(retryAfter && { retryAfter }) });

describe('the next try', () => {
  it.each([0, 409, 423, 429, 500, 503])('comes after %i', (status) => {
    expect(delayAfter(fault(status), 1, false, 1)).toBe(1000);
  });

  it.each([400, 401, 403, 404, 413, 415, 422, 507])('does not come after %i', (status) => {
    expect(delayAfter(fault(status), 1, false, 1)).toBeNull();
  });

  it.each([404, 410])('comes after %i where the server had something of it', (status) => {
    expect(delayAfter(fault(status), 1, true, 1)).toBe(1000);
  });

  it('does not come after what is no answer', () => {
    expect(delayAfter(new Error('a fault of ours'), 1, true, 1)).toBeNull();
  });

  it('takes longer each time, spread over half of that, and comes to an end', () => {
    const delays = DELAYS.map((_, index) => delayAfter(fault(0), index + 1, true, 0));
    expect(delays).toEqual(DELAYS.map((seconds) => seconds * 500));
    expect(delayAfter(fault(0), DELAYS.length + 1, true, 0)).toBeNull();
  });

  it('waits as long as the server asks for, within reason', () => {
    expect(delayAfter(fault(429, 'queue_quota', 40), 1, true, 1)).toBe(40_000);
    expect(delayAfter(fault(429, 'queue_quota', 1e9), 1, true, 1)).toBe(600_000);
  });
});

it.each([
  ['too_large', 413, false],
  ['storage_quota', 413, true],
  ['not_audio', 422, false],
  ['unreachable', 0, true],
])('of %s (%i) another try is worth it: %s', (code, status, worth) => {
  expect(worthAnotherTry(fault(status, code))).toBe(worth);
});
