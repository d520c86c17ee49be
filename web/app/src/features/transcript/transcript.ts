import { type QueryClient, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/client';
import { type Segment, withRead, withTold } from './segments';

/*
 * The transcript of a run, kept with the other answers of the server: read in pages, and grown by what frames tell.
 */

type Segments = readonly Segment[];

const PAGE = 1_000;
const NONE: Segments = [];
const keyOf = (runId: string) => ['segments', runId];

export function useTranscript(runId: string) {
  const client = useQueryClient();
  return useQuery({
    queryKey: keyOf(runId),
    queryFn: ({ signal }) => read(client, runId, signal),
    // The stream tells when there is more, and its first frame that this may be old.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
}

/** Take in the segments of a frame; where nothing is being read yet, the first reading has them. */
export function takeTold(client: QueryClient, runId: string, told: Segments): void {
  if (!client.getQueryState(keyOf(runId))) return; // else they would pass for all that there is
  client.setQueryData<Segments>(keyOf(runId), (known) => withTold(known ?? NONE, told));
}

/** Return the milliseconds to wait before all of it is read again while the run goes on: the more there is, the longer. */
export function patience(client: QueryClient, runId: string): number {
  const known = client.getQueryData<Segments>(keyOf(runId))?.length ?? 0;
  return 5_000 + 5 * known;
}

/** Read all of it again. */
export function refresh(client: QueryClient, runId: string): void {
  client.invalidateQueries({ queryKey: keyOf(runId) });
}

/** Return all segments as the machine has them, without people's edits. */
export function useMachine(runId: string, wanted: boolean) {
  return useQuery({
    queryKey: ['machine', runId],
    enabled: wanted,
    gcTime: 60_000,
    queryFn: async ({ signal }) => {
      let all: Segments = NONE;
      await eachPage(runId, { original: '1' }, signal, (items) => {
        all = withRead(all, items);
      });
      return all;
    },
  });
}

/** Return a segment as the machine has it. */
export function useOriginal(runId: string, index: number, wanted: boolean) {
  return useQuery({
    queryKey: ['original', runId, index],
    enabled: wanted,
    queryFn: async ({ signal }) => {
      const { items } = await page(runId, { original: '1', limit: 1, cursor: index - 1 }, signal);
      return items[0] ?? null;
    },
  });
}

/** What is changed in a segment; null is the machine's, and what is left out stays. */
export type Change = Partial<Schemas['SegmentEdit']>;

/** Return the function that edits a segment: shown at once, and as before if the server does not take it. */
export function useEdit(runId: string) {
  const client = useQueryClient();
  const put = (segment: Segment) =>
    client.setQueryData<Segments>(keyOf(runId), (known) => withRead(known ?? NONE, [segment]));
  return useMutation({
    mutationFn: async ({ before, change }: { before: Segment; shown: Segment; change: Change }) =>
      body(
        await api.PATCH('/api/runs/{run_id}/segments/{index}', {
          params: { path: { run_id: runId, index: before.index } },
          body: change as Schemas['SegmentEdit'], // The description wants both; the server, one.
        }),
      ),
    onMutate: ({ shown }) => put(shown),
    onError: (_error, { before }) => put(before),
    onSuccess: (stored) => {
      put(stored);
      // What is on its way may be from before the edit.
      if (client.isFetching({ queryKey: keyOf(runId) })) refresh(client, runId);
    },
  });
}

/** Read all pages; each is shown as it comes, and what frames and edits bring meanwhile stays. */
async function read(client: QueryClient, runId: string, signal: AbortSignal): Promise<Segments> {
  await eachPage(runId, {}, signal, (items) =>
    client.setQueryData<Segments>(keyOf(runId), (known) => withRead(known ?? NONE, items)),
  );
  return client.getQueryData<Segments>(keyOf(runId)) ?? NONE;
}

async function eachPage(
  runId: string,
  query: { original?: '1' },
  signal: AbortSignal,
  take: (items: Segments) => void,
): Promise<void> {
  let cursor: number | null = -1;
  while (cursor !== null) {
    const found: Schemas['SegmentPage'] = await page(runId, { ...query, limit: PAGE, cursor }, signal);
    signal.throwIfAborted();
    take(found.items);
    cursor = found.nextCursor === null ? null : Number(found.nextCursor);
  }
}

type Query = { limit: number; cursor: number; original?: '1' };

async function page(runId: string, query: Query, signal: AbortSignal): Promise<Schemas['SegmentPage']> {
  return body(
    await api.GET('/api/runs/{run_id}/segments', { params: { path: { run_id: runId }, query }, signal }),
  );
}
