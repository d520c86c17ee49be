import { useEffect } from 'react';

/*
 * Moments of a recording in the page's address: `#t=12.3`, as in Media Fragments (W3C). Seconds.
 */

/** Return the fragment of a moment. */
export function momentHash(seconds: number): string {
  return `#t=${Math.round(Math.max(0, seconds) * 10) / 10}`;
}

/** Return the moment that a fragment names; null if none. */
export function momentOf(hash: string): number | null {
  const found = /^#t=(\d{1,6}(?:\.\d{1,3})?)$/.exec(hash)?.[1];
  return found === undefined ? null : Number(found);
}

/** Return the address of this page at a moment. */
export function momentLink(seconds: number): string {
  return location.origin + location.pathname + momentHash(seconds);
}

/** Call when the page was opened at a moment, or its address gets another one. */
export function useMoment(ready: boolean, go: (seconds: number) => void): void {
  useEffect(() => {
    if (!ready) return;
    const look = () => {
      const moment = momentOf(location.hash);
      if (moment !== null) go(moment);
    };
    look();
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, [ready, go]);
}
