import { type InfiniteData, infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/client';
import { stateOf } from './news';
import type { Wanted } from './wanted';

export type Run = Schemas['ListedRun'];
export type RunStatus = Schemas['RunStatus'];
export type RunPages = InfiniteData<Schemas['RunPage']>;

/** What all lists of runs are kept under; who adds or changes runs may invalidate `['runs']`. */
export const RUN_LISTS = ['runs', 'list'] as const;

const PAGE = 50;

/** The list of runs that are wanted, page by page, the newest first. */
export function runList({ q, status }: Wanted) {
  return infiniteQueryOptions({
    queryKey: [...RUN_LISTS, { q, status }],
    queryFn: async ({ pageParam, signal, client, queryKey }) => {
      const query = {
        limit: PAGE,
        ...(q && { q }),
        ...(status && { status }),
        ...(pageParam && { cursor: pageParam }),
      };
      const page = body(await api.GET('/api/runs', { params: { query }, signal }));
      return newest(runsOf(client.getQueryData<RunPages>(queryKey)), page);
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor,
    staleTime: 0, // what happened while another page was shown, no frame told here
    placeholderData: keepPreviousData,
  });
}

export function isOpen({ status }: { status: RunStatus }): boolean {
  return status === 'queued' || status === 'processing';
}

export function wasCanceled(run: Pick<Run, 'status' | 'error'>): boolean {
  return run.status === 'failed' && run.error?.code === 'canceled';
}

/** Return pages with what has become of some of their runs; the same pages if it is none of theirs. Pure. */
export function withStates(
  pages: RunPages,
  states: readonly (Partial<Run> & Pick<Run, 'runId'>)[],
): RunPages {
  const byId = new Map(states.map((state) => [state.runId, state]));
  if (!runsOf(pages).some(({ runId }) => byId.has(runId))) return pages;
  const changed = pages.pages.map((page) => ({
    ...page,
    items: page.items.map((run) => ({ ...run, ...byId.get(run.runId) })),
  }));
  return { ...pages, pages: changed };
}

/**
 * Return a page that was read, with what is known better of its runs: the stream may have told more while the answer was
 * on its way. A run's time since its upload says which is newer. Pure.
 */
export function newest(known: readonly Run[], page: Schemas['RunPage']): Schemas['RunPage'] {
  const byId = new Map(known.map((run) => [run.runId, run]));
  const items = page.items.map((run) => {
    const told = byId.get(run.runId);
    return told && told.timeElapsed > run.timeElapsed ? { ...run, ...stateOf(told) } : run;
  });
  return { ...page, items };
}

/** Return pages without the runs of a recording that was deleted. Pure. */
export function withoutAudio(pages: RunPages, audioId: string): RunPages {
  const left = pages.pages.map((page) => ({
    ...page,
    items: page.items.filter((run) => run.audioId !== audioId),
  }));
  return { ...pages, pages: left };
}

/** Return the runs of all pages, each once: one that came in meanwhile moves others onto the next page. Pure. */
export function runsOf(pages: RunPages | undefined): Run[] {
  const all = pages?.pages.flatMap((page) => page.items) ?? [];
  return [...new Map(all.map((run) => [run.runId, run])).values()];
}
