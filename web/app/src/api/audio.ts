import { queryOptions } from '@tanstack/react-query';
import { api, body } from './client';

/** What is known of a recording, and of its runs. */
export function audioQuery(audioId: string) {
  return queryOptions({
    queryKey: ['audio', audioId],
    queryFn: async ({ signal }) =>
      body(await api.GET('/api/audios/{audio_id}', { params: { path: { audio_id: audioId } }, signal })),
  });
}
