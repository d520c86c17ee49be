/** How long to wait before another try. Pure. */

const FIRST_MS = 1_000;
const MOST_MS = 60_000;

/** Milliseconds before the next try after so many failures in a row; spread, so that not all pages come back at once. */
export function backoff(failures: number, random = Math.random): number {
  const ceiling = Math.min(MOST_MS, FIRST_MS * 2 ** Math.max(0, failures - 1));
  return ceiling * (0.5 + random() / 2);
}
