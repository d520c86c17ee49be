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

const KEY = 'lingoloop.session';
const RENEW_BEFORE_MS = 60_000;

const listeners = new Set<() => void>();
let session = read();
let ended: Ended = null;
let renewal: Renewal | null = null;
let renewing: Promise<Session | null> | null = null;

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
  change(null, why);
}

export function whyEnded(): Ended {
  return ended;
}

export function renewBy(next: Renewal | null): void {
  renewal = next;
}

/** Return a token that is good for a minute at least, where there is one; '' when nobody is signed in. */
export async function freshToken(): Promise<string> {
  if (!session) return '';
  if (renewal && session.expiresAt !== null && session.expiresAt - Date.now() < RENEW_BEFORE_MS) {
    renewing ??= renewal(session).finally(() => {
      renewing = null;
    });
    const next = await renewing;
    if (next) beginSession(next);
  }
  return session.token;
}

export function useSession(): Session | null {
  return useSyncExternalStore(subscribe, () => session);
}

/** Whether the person may do what needs a scope. */
export function may(who: Session, scope: 'runs:write' | 'admin'): boolean {
  return who.scopes.includes(scope);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
