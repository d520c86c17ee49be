import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { audioQuery } from '../../api/audio';
import { api, body, type Schemas } from '../../api/client';
import { withoutAudio } from './runs';
import { changeLists } from './useLiveRuns';

export type Audio = Schemas['Audio'];
export type Receipt = Schemas['Receipt'];

/** What a recording is, as it must be told before it is deleted. */
export function useAudio(audioId: string) {
  return useQuery({ ...audioQuery(audioId), staleTime: 0 });
}

/** Delete a recording and all that came of it; the answer is its receipt. */
export function useDeletion(audioId: string) {
  const queryClient = useQueryClient();
  const which = { params: { path: { audio_id: audioId } } };
  return useMutation({
    mutationFn: async () => body(await api.DELETE('/api/audios/{audio_id}', which)),
    onSuccess: () => {
      changeLists(queryClient, (pages) => withoutAudio(pages, audioId));
      return queryClient.invalidateQueries({ queryKey: ['runs'] });
    },
  });
}
