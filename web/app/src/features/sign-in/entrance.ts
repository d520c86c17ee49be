import { api, body } from '../../api/client';
import { ApiError, readProblem } from '../../api/problem';
import type { Session } from '../../session/session';

type Me = { owner: string; scopes: string[]; expiresAt: string | null };

/** Return the session that a token gives; an ApiError where the server does not take it. */
export async function sessionOf(token: string): Promise<Session> {
  // Not by `api`: that sends the token of whoever is signed in.
  const response = await fetch('/api/me', { headers: { Authorization: `Bearer ${token}` } }).catch(() => {
    throw new ApiError(0, { code: 'unreachable', detail: '' });
  });
  if (!response.ok) throw new ApiError(response.status, await readProblem(response));
  const { owner, scopes, expiresAt } = (await response.json()) as Me;
  return { token, owner, scopes, expiresAt: expiresAt === null ? null : Date.parse(expiresAt) };
}

/** Return the session for the code of a one-time link. */
export async function sessionOfLink(code: string): Promise<Session> {
  const { token } = body(await api.POST('/api/sign-in', { body: { code } }));
  return sessionOf(token);
}

/** Return the code that a one-time link's address holds after `#`, and take it out of the address bar and the history. */
export function takeCode(): string | null {
  if (location.pathname !== '/sign-in') return null;
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code !== null) history.replaceState(null, '', location.pathname);
  return code;
}

/** Return the address by which the provider sends somebody back, and take what it says out of the address bar. */
export function takeReturn(): string | null {
  const said = new URLSearchParams(location.search);
  if (location.pathname !== '/sign-in' || !said.has('state')) return null;
  const address = location.href;
  history.replaceState(null, '', location.pathname);
  return address;
}

/** Return a token as it was pasted: without spaces and line breaks, a `Bearer` before it or quotes around it. */
export function pastedToken(text: string): string {
  return text
    .trim()
    .replace(/^(authorization:\s*)?bearer\s+/i, '')
    .replace(/^["']|["']$/g, '')
    .replace(/\s+/g, '');
}
