import { useEffect, useState } from 'react';
import { useLocation } from 'wouter';
import { beginSession, useSession } from '../../session/session';
import { sessionOfLink, takeCode, takeReturn } from './entrance';
import type { Oidc } from './oidc';

/** How somebody arrives who is let in by the address alone: by a one-time link, or back from the provider. */
type Way = { by: 'link'; code: string } | { by: 'provider'; address: string };

/** A way that did not lead in. */
export type Failure = { by: Way['by']; error: Error };

// The address is read once, before anything is shown: effects run twice in development, and a code is good once.
let way = readWay();
let arrival: Promise<string> | null = null;

// A link that is opened where the page is already changes only what is after `#`, and loads nothing.
addEventListener('hashchange', () => {
  if (location.pathname === '/sign-in' && location.hash.startsWith('#code=')) location.reload();
});

/**
 * Sign in by what the address brings; tell whether that is under way, and why it failed. `oidc` is undefined until it is
 * known whether there is a provider.
 */
export function useArrival(oidc: Oidc | null | undefined): [boolean, Failure | null] {
  const session = useSession();
  const [, navigate] = useLocation();
  const [open, setOpen] = useState(way);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => {
    if (!open) {
      if (session && location.pathname === '/sign-in') navigate('/', { replace: true });
      return;
    }
    if (open.by === 'provider' && oidc === undefined) return;
    arrival ??= enter(open, oidc ?? null);
    arrival
      .then((wanted) => navigate(wanted, { replace: true }))
      .catch((error) => setFailure({ by: open.by, error }))
      .finally(() => {
        way = null;
        setOpen(null);
      });
  }, [session, open, oidc, navigate]);
  return [open !== null, failure];
}

async function enter(by: Way, oidc: Oidc | null): Promise<string> {
  if (by.by === 'link') {
    beginSession(await sessionOfLink(by.code));
    return '/';
  }
  if (!oidc) return '/sign-in'; // there is no provider any more
  const { session, wanted } = await (await import('./oidc')).finishOidc(oidc, by.address);
  beginSession(session);
  return wanted;
}

function readWay(): Way | null {
  const code = takeCode();
  if (code !== null) return { by: 'link', code };
  const address = takeReturn();
  return address === null ? null : { by: 'provider', address };
}
