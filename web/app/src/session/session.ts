import { useSyncExternalStore } from 'react';

/** Who is signed in on this browser. The token is kept until it expires or the person signs out. */
export type Session = {
  token: string;
  owner: string;
  scopes: readonly string[];
  /** Milliseconds since 1970; null where the token does not say. */
  expiresAt: number | null;
};

/** Why the last session ended, for the sign-in page to tell. */
export type Ended = 'expired' | 'signed-out' | null;

/** Gives a new session before the old one's token expires (OIDC); null where that cannot be. */
export type Renewal = (session: Session) => Promise<Session | null>;

/** Under keys that begin so, an identity provider's sign-in keeps what it needs; it ends with the session. */
export const PROVIDER_PREFIX = 'lingoloop.oidc.';

const KEY = 'lingoloop.session';
const RENEW_BEFORE_MS = 60_000;
const RENEW_AGAIN_MS = 10_000;

const listeners = new Set<() => void>();
let session = read();
let ended: Ended = null;
let renewal: Renewal | null = null;
let renewing: Promise<void> | null = null;
let failedAt = Number.NEGATIVE_INFINITY;
let leave: (() => void) | null = null;

function read(): Session | null {
  const kept = localStorage.getItem(KEY);
  if (!kept) return null;
  try {
    return JSON.parse(kept) as Session;
  } catch {
    localStorage.removeItem(KEY); // written by another version, or by hand
    return null;
  }
}

function change(next: Session | null, why: Ended): void {
  if (session && session.owner !== next?.owner) leave?.();
  session = next;
  ended = why;
  for (const listener of listeners) listener();
}

// Signing in or out in one tab counts for all.
addEventListener('storage', (event) => {
  if (event.key === KEY) change(read(), null);
});

export function beginSession(next: Session): void {
  localStorage.setItem(KEY, JSON.stringify(next));
  change(next, null);
}

export function endSession(why: Exclude<Ended, null>): void {
  localStorage.removeItem(KEY);
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PROVIDER_PREFIX)) localStorage.removeItem(key);
  }
  change(null, why);
}

/** The server does not take this token; where somebody has signed in anew meanwhile, that is nothing to them. */
export function tokenRefused(token: string): void {
  if (session?.token === token) endSession('expired');
}

export function whyEnded(): Ended {
  return ended;
}

export function renewBy(next: Renewal | null): void {
  renewal = next;
}

/** Call `then` when what the page knows of an owner is nothing for who comes next. */
export function onLeaving(then: () => void): void {
  leave = then;
}

/** Return a token that is good for a minute at least, where there is one; '' when nobody is signed in. */
export async function freshToken(): Promise<string> {
  if (isEnding(session) && renewal && Date.now() - failedAt > RENEW_AGAIN_MS) {
    renewing ??= alone(renew).finally(() => {
      renewing = null;
    });
    await renewing;
  }
  return session?.token ?? '';
}

function isEnding(kept: Session | null): kept is Session {
  return kept !== null && kept.expiresAt !== null && kept.expiresAt - Date.now() < RENEW_BEFORE_MS;
}

async function renew(): Promise<void> {
  const kept = read(); // another tab may have renewed it in the meantime
  if (!isEnding(kept)) return change(kept, null);
  const next = await renewal?.(kept).catch(() => null);
  if (read()?.token !== kept.token) return; // signed out, or in as another, while the provider was asked
  if (next) beginSession(next);
  else failedAt = Date.now(); // the old token counts until it expires
}

/** Do it in one tab at a time: a refresh token is good once. Where there are no locks (plain HTTP) there is no provider. */
async function alone(work: () => Promise<void>): Promise<void> {
  if (navigator.locks) await navigator.locks.request(KEY, work);
  else await work();
}

export function currentSession(): Session | null {
  return session;
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, currentSession);
}

/** Whether the person may do what needs a scope. */
export function may(who: Session, scope: 'runs:write' | 'admin'): boolean {
  return who.scopes.includes(scope);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
