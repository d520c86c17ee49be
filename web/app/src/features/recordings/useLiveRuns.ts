import { useEvents } from '@lingoloop/react';
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { type Frame, News, statesIn } from './news';
import { RUN_LISTS, type Run, type RunPages, runsOf, withStates } from './runs';

/** A screen reader is told of what ended within this time at once. */
const GATHER_MS = 1_500;
/** Lists are read again this long after there was news, and no more often than this. */
const SOON_MS = 300;
const APART_MS = 3_000;

/** Keep all lists of runs as the shared stream tells it; return the runs that ended last, to be announced. */
export function useLiveRuns(): Run[] {
  const { subscribeToGlobalEvents } = useEvents();
  const queryClient = useQueryClient();
  const [ended, setEnded] = useState<Run[]>([]);
  useEffect(() => {
    const news = new News();
    const reading = readAgain(queryClient);
    const gathered = gather(setEnded);
    const unsubscribe = subscribeToGlobalEvents((frame: Frame) => {
      changeLists(queryClient, (pages) => withStates(pages, statesIn(frame)));
      if (news.isIn(frame)) reading.ask();
      if (frame.event === 'done') gathered.add(listed(queryClient, frame.runId));
    });
    return () => {
      unsubscribe();
      reading.stop();
      gathered.stop();
    };
  }, [subscribeToGlobalEvents, queryClient]);
  return ended;
}

export function changeLists(queryClient: QueryClient, change: (pages: RunPages) => RunPages): void {
  queryClient.setQueriesData<RunPages>({ queryKey: RUN_LISTS }, (pages) => pages && change(pages));
}

function listed(queryClient: QueryClient, runId: string): Run | undefined {
  const lists = queryClient.getQueriesData<RunPages>({ queryKey: RUN_LISTS });
  return lists.flatMap(([, pages]) => runsOf(pages)).find((run) => run.runId === runId);
}

/** Reads the lists again when asked to: soon, but not for each of many changes. */
function readAgain(queryClient: QueryClient) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = 0;
  const read = () => {
    timer = undefined;
    // An answer that is on its way may be from before the news, and to begin anew each time might never end.
    if (queryClient.isFetching({ queryKey: RUN_LISTS })) return ask();
    last = Date.now();
    void queryClient.invalidateQueries({ queryKey: RUN_LISTS });
  };
  const ask = () => {
    timer ??= setTimeout(read, Math.max(SOON_MS, last + APART_MS - Date.now()));
  };
  return { ask, stop: () => clearTimeout(timer) };
}

function gather(tell: (runs: Run[]) => void) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let runs: Run[] = [];
  const flush = () => {
    timer = undefined;
    tell(runs);
    runs = [];
  };
  const add = (run: Run | undefined) => {
    if (!run) return;
    runs.push(run);
    timer ??= setTimeout(flush, GATHER_MS);
  };
  return { add, stop: () => clearTimeout(timer) };
}
