import { type RunFrame, type RunState, type Trouble, useEvents } from '@lingoloop/react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useState } from 'react';
import { api, body, type Schemas } from '../../api/client';
import { patience, refresh, takeTold } from './transcript';

export type Run = Schemas['Run'];
export type RunStatus = Schemas['RunStatus'];

const ENDED = new Set<RunStatus>(['succeeded', 'failed']);

const keyOf = (runId: string) => ['run', runId];

/** Follow a run: what it is, how far it is, and its end and retry; the words go into its transcript. */
export function useRun(runId: string) {
  const client = useQueryClient();
  const { subscribeToRun, subscribeToGlobalEvents } = useEvents();
  const [live, setLive] = useState<RunState | null>(null);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [round, setRound] = useState(0);
  const path = { params: { path: { run_id: runId } } };
  const found = useQuery({
    queryKey: keyOf(runId),
    queryFn: async ({ signal }) => body(await api.GET('/api/runs/{run_id}', { ...path, signal })),
  });

  useEffect(() => {
    let chunks = 0;
    let open = round > 0; // a retry's first words may have been told before it was followed
    let later: ReturnType<typeof setTimeout> | undefined;
    const take = (frame: RunFrame) => {
      setTrouble(null);
      setLive(frame);
      if (frame.segments) takeTold(client, runId, frame.segments);
      const lookedAt = client.getQueryData<Run>(keyOf(runId));
      open ||= ![frame.status, lookedAt?.status].every((status) => status && ENDED.has(status));
      if (frame.event === 'update') {
        // A chunk without words, or polling in the stream's place: only reading tells.
        if (!frame.segments && frame.chunksDone > chunks) later ??= setTimeout(look, patience(client, runId));
      } else if (open) {
        // What was missed before the first frame; and at the end who speaks, which changes what was told.
        look();
        if (frame.event === 'done') client.invalidateQueries({ queryKey: keyOf(runId) });
      }
      chunks = frame.chunksDone;
    };
    const look = () => {
      clearTimeout(later);
      later = undefined;
      refresh(client, runId);
    };
    const unsubscribe = subscribeToRun(runId, take, setTrouble);
    return () => {
      clearTimeout(later);
      unsubscribe();
    };
  }, [client, runId, subscribeToRun, round]);

  const cancel = useMutation({ mutationFn: () => api.POST('/api/runs/{run_id}/cancel', path) });
  const { reset } = cancel;
  const again = useCallback(async () => {
    reset();
    setLive(null);
    setRound((before) => before + 1);
    await client.invalidateQueries({ queryKey: keyOf(runId) });
  }, [client, runId, reset]);
  const ended = ENDED.has((live ?? found.data)?.status ?? 'queued');
  useEffect(() => {
    // A run's own events end with its end; that somebody tries it again elsewhere, those of all tell.
    if (!ended) return;
    return subscribeToGlobalEvents((frame) => {
      if (frame.event === 'update' && frame.runId === runId && !ENDED.has(frame.status)) again();
    });
  }, [ended, runId, subscribeToGlobalEvents, again]);
  const retry = useMutation({
    mutationFn: () => api.POST('/api/runs/{run_id}/retry', path),
    onSuccess: again,
  });
  return {
    found,
    run: found.data && live ? { ...found.data, ...stateOf(live) } : found.data,
    trouble,
    cancel,
    retry,
  };
}

/** Return the function that names speakers: shown at once, and as before if the server does not take it. */
export function useSpeakerNames(runId: string) {
  const client = useQueryClient();
  const show = (speakers: Run['speakers']) =>
    client.setQueryData<Run>(keyOf(runId), (run) => run && { ...run, speakers });
  return useMutation({
    mutationFn: async (speakers: Run['speakers']) =>
      body(
        await api.PUT('/api/runs/{run_id}/speakers', {
          params: { path: { run_id: runId } },
          body: { speakers },
        }),
      ),
    onMutate: (speakers) => {
      const before = client.getQueryData<Run>(keyOf(runId))?.speakers ?? {};
      show(speakers);
      return before;
    },
    onError: (_error, _speakers, before) => before && show(before),
    onSuccess: ({ speakers }) => show(speakers),
  });
}

function stateOf({ event: _, segments: __, ...state }: RunState & Partial<RunFrame>): RunState {
  return state;
}
