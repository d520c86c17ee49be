import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/client';

type Worker = Schemas['Worker'];

/** A worker as this page knows it: one that the server lists no more is `gone`. */
export type KnownWorker = Omit<Worker, 'state'> & { state: Worker['state'] | 'gone' };

/** What operators tell workers. */
export type Order = 'start' | 'drain';

const KEY = ['admin', 'workers'];
const EVERY_MS = 5_000;
const GONE_KEPT = 20;

/** Follow the workers while the page is in view. */
export function useFleet() {
  return useQuery({
    queryKey: KEY,
    queryFn: async ({ client }) => {
      const { workers } = body(await api.GET('/api/admin/worker'));
      return withGone(client.getQueryData<KnownWorker[]>(KEY) ?? [], workers);
    },
    refetchInterval: EVERY_MS,
  });
}

/** Tell one worker by its id, or all (null), to take work or to take no more. */
export function useOrder(order: Order) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string | null) => {
      const params = { query: id === null ? {} : { id } };
      const answer =
        order === 'start'
          ? await api.POST('/api/admin/worker', { params })
          : await api.DELETE('/api/admin/worker', { params });
      return body(answer).workers;
    },
    onSuccess: async (workers) => {
      await client.cancelQueries({ queryKey: KEY }); // its answer may be older than this one
      client.setQueryData<KnownWorker[]>(KEY, (before) => withGone(before ?? [], workers));
    },
  });
}

/** Return how people tell a worker from others. Ids begin with the time, so those of one start differ at the end. Pure. */
export function nameOf({ id }: { id: string }): string {
  return id.slice(-12);
}

/** Return the workers that are alive, and after them those that were: the last ones, the newest first. Pure. */
export function withGone(before: readonly KnownWorker[], alive: readonly Worker[]): KnownWorker[] {
  const ids = new Set(alive.map(({ id }) => id));
  const gone = before
    .filter(({ id }) => !ids.has(id))
    .map((worker) => ({ ...worker, state: 'gone' as const, busy: 0 }));
  return [...alive, ...gone.slice(0, GONE_KEPT)];
}
