import { beforeEach, expect, it, vi } from 'vitest';
import { beginSession, endSession, freshToken } from '../../session/session';
import { pastedToken, sessionOfLink, takeCode, takeReturn } from './entrance';

it.each([
  ['abc.def.ghi', 'abc.def.ghi'],
  ['  abc.def.ghi\n', 'abc.def.ghi'],
  ['abc.\n  def.ghi', 'abc.def.ghi'],
  ['Bearer abc.def.ghi', 'abc.def.ghi'],
  ['Authorization: Bearer abc.def.ghi', 'abc.def.ghi'],
  ['"abc.def.ghi"', 'abc.def.ghi'],
])('reads %j as a token', (pasted, token) => {
  expect(pastedToken(pasted)).toBe(token);
});

beforeEach(() => history.replaceState(null, '', '/sign-in'));

it('takes the code out of the address', () => {
  history.replaceState(null, '', '/sign-in#code=abc-123');
  expect(takeCode()).toBe('abc-123');
  expect(location.hash).toBe('');
  expect(takeCode()).toBeNull();
});

it('leaves other addresses alone', () => {
  history.replaceState(null, '', '/runs/x?state=a#code=b');
  expect([takeCode(), takeReturn()]).toEqual([null, null]);
  expect(location.hash).toBe('#code=b');
});

it('takes what the provider says out of the address', () => {
  history.replaceState(null, '', '/sign-in?code=c&state=s');
  expect(takeReturn()).toBe(`${location.origin}/sign-in?code=c&state=s`);
  expect(location.search).toBe('');
  expect(takeReturn()).toBeNull();
});

it('leaves those signed in who open a link that was used before', async () => {
  const fetched = vi.fn(async () => Response.json({ code: 'unauthorized', detail: 'used' }, { status: 401 }));
  vi.stubGlobal('fetch', fetched);
  beginSession({ token: 'good', owner: 'ann', scopes: [], expiresAt: null });
  await expect(sessionOfLink('old')).rejects.toMatchObject({ status: 401 });
  expect(fetched).toHaveBeenCalledWith('/api/sign-in', { method: 'POST', body: '{"code":"old"}' });
  expect(await freshToken()).toBe('good');
  endSession('signed-out');
  vi.unstubAllGlobals();
});
