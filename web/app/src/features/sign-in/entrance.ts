import { ApiError, readProblem } from '../../api/problem';
import type { Session } from '../../session/session';

type Me = { owner: string; scopes: string[]; expiresAt: string | null };

/** Return the session that a token gives; an ApiError where the server does not take it. */
export async function sessionOf(token: string): Promise<Session> {
  const me = await call<Me>('/api/me', { headers: { Authorization: `Bearer ${token}` } });
  const { owner, scopes, expiresAt } = me;
  return { token, owner, scopes, expiresAt: expiresAt === null ? null : Date.parse(expiresAt) };
}

/** Return the session for the code of a one-time link. */
export async function sessionOfLink(code: string): Promise<Session> {
  const init = { method: 'POST', body: JSON.stringify({ code }) };
  return sessionOf((await call<{ token: string }>('/api/sign-in', init)).token);
}

/** Not by `api`: that sends the token of whoever is signed in, and takes a refusal for one of it. */
async function call<Answer>(path: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(path, init).catch(() => {
    throw new ApiError(0, { code: 'unreachable', detail: '' });
  });
  if (!response.ok) throw new ApiError(response.status, await readProblem(response));
  return response.json();
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
