import { useSearchParams } from 'wouter';
import { asksForSomething } from './marks';

/** What the list is to show; it stands in the address, so that it survives a reload and can be passed on. */
export type Wanted = { q: string; status: string };

/** The choices of the filter, as the API's `status` has them. */
export const STATUSES = {
  all: '',
  open: 'queued,processing',
  succeeded: 'succeeded',
  failed: 'failed',
} as const;

const LONGEST_QUERY = 200;

/** Read what is wanted out of an address's query; what the server would refuse is left out. Pure. */
export function readWanted(search: URLSearchParams): Wanted {
  const q = (search.get('q') ?? '').trim().slice(0, LONGEST_QUERY);
  const status = search.get('status') ?? '';
  const known: readonly string[] = Object.values(STATUSES);
  return { q: asksForSomething(q) ? q : '', status: known.includes(status) ? status : '' };
}

/** Return what is wanted, and what changes it. The way back leads to the page before, not through each letter typed. */
export function useWanted(): [Wanted, (change: Partial<Wanted>) => void] {
  const [search, setSearch] = useSearchParams();
  const want = (change: Partial<Wanted>) =>
    setSearch(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(change)) {
          if (value) next.set(name, value);
          else next.delete(name);
        }
        return next;
      },
      { replace: true },
    );
  return [readWanted(search), want];
}
