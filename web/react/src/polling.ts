import { backoff } from './backoff';

const SOON_MS = 2_000;
const QUIET_MS = 30_000;
/** While nobody looks at the page. */
const HIDDEN_MS = 15_000;

/** Milliseconds until the next look: soon after news, later and later while there are none. Pure. */
export function pause(before: number, news: boolean, random = Math.random): number {
  const base = news ? SOON_MS : Math.min(QUIET_MS, before * 1.5);
  return base * (0.9 + random() / 5);
}

/** Look again and again until told to stop. `look` says whether there were news, and throws when it could not look. */
export function startPolling(look: () => Promise<boolean>): () => void {
  let wait = SOON_MS;
  let failures = 0;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function turn(): Promise<void> {
    clearTimeout(timer);
    try {
      wait = pause(wait, await look());
      failures = 0;
    } catch {
      failures += 1;
      wait = Math.max(SOON_MS, backoff(failures));
    }
    if (!stopped) timer = setTimeout(turn, document.hidden ? Math.max(wait, HIDDEN_MS) : wait);
  }

  void turn();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
