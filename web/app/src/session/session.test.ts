import { beforeEach, expect, it, vi } from 'vitest';
import {
  beginSession,
  endSession,
  freshToken,
  onLeaving,
  PROVIDER_PREFIX,
  renewBy,
  type Session,
  tokenRefused,
  whyEnded,
} from './session';

const MINUTE = 60_000;
const session = (token: string, lasts: number, owner = 'ann'): Session => ({
  token,
  owner,
  scopes: [],
  expiresAt: Date.now() + lasts,
});

beforeEach(() => {
  vi.useFakeTimers({ now: Date.now() + MINUTE }); // past what an earlier test's failure forbids
  renewBy(null);
  endSession('signed-out');
});

it('renews a token that is about to end, once for all who ask', async () => {
  const renewal = vi.fn(async () => session('new', 10 * MINUTE));
  renewBy(renewal);
  beginSession(session('old', MINUTE / 2));
  expect(await Promise.all([freshToken(), freshToken()])).toEqual(['new', 'new']);
  expect(await freshToken()).toBe('new');
  expect(renewal).toHaveBeenCalledTimes(1);
});

it('takes what another tab renewed', async () => {
  const renewal = vi.fn(async () => null);
  renewBy(renewal);
  beginSession(session('old', MINUTE / 2));
  localStorage.setItem('lingoloop.session', JSON.stringify(session('theirs', 10 * MINUTE)));
  expect(await freshToken()).toBe('theirs');
  expect(renewal).not.toHaveBeenCalled();
});

it('goes on with the old token where it cannot be renewed, and asks again only after a while', async () => {
  const renewal = vi.fn(() => Promise.reject(new Error('the provider is away')));
  renewBy(renewal);
  beginSession(session('old', MINUTE / 2));
  expect(await freshToken()).toBe('old');
  expect(await freshToken()).toBe('old');
  expect(renewal).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(11_000);
  await freshToken();
  expect(renewal).toHaveBeenCalledTimes(2);
});

it('stays signed out when the answer comes after that', async () => {
  renewBy(async () => {
    endSession('signed-out');
    return session('new', 10 * MINUTE);
  });
  beginSession(session('old', MINUTE / 2));
  expect(await freshToken()).toBe('');
});

it('leaves nothing of the provider or of the owner behind', () => {
  const left = vi.fn();
  onLeaving(left);
  beginSession(session('one', 10 * MINUTE));
  localStorage.setItem(`${PROVIDER_PREFIX}user`, 'a refresh token');
  beginSession(session('two', 10 * MINUTE));
  expect(left).not.toHaveBeenCalled();
  endSession('expired');
  expect(left).toHaveBeenCalledTimes(1);
  expect(localStorage.length).toBe(0);
  expect(whyEnded()).toBe('expired');
  beginSession(session('three', 10 * MINUTE));
  beginSession(session('four', 10 * MINUTE, 'ben'));
  expect(left).toHaveBeenCalledTimes(2);
});

it('ends when its token is refused, not when that of the one before is', () => {
  beginSession(session('old', 10 * MINUTE));
  beginSession(session('new', 10 * MINUTE));
  tokenRefused('old');
  expect(whyEnded()).toBeNull();
  tokenRefused('new');
  expect(whyEnded()).toBe('expired');
});
