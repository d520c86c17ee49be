import { useQuery } from '@tanstack/react-query';
import { audioQuery } from '../../api/audio';
import type { Schemas } from '../../api/client';

const LOOK_AGAIN_MS = 5_000;

/** Return a run's recording; null until it is there: what is imported has yet to be fetched. */
export function useAudio(audioId: string): Schemas['Audio'] | null {
  const { data } = useQuery({
    ...audioQuery(audioId),
    refetchInterval: ({ state }) => (state.data && !state.data.sha256 ? LOOK_AGAIN_MS : false),
  });
  return data?.sha256 ? data : null;
}
