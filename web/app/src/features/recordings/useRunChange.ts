import { useMutation, useQueryClient } from '@tanstack/react-query';
import { api, body } from '../../api/client';
import { ApiError } from '../../api/problem';
import { RUN_LISTS, type Run, withStates } from './runs';
import { changeLists } from './useLiveRuns';

export type Change = 'cancel' | 'retry';

/** Cancel a run, or try it again. Rows show what the server answers, not what is hoped for: it may have ended meanwhile. */
export function useRunChange({ runId }: Pick<Run, 'runId'>) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: async (change: Change) => {
      const which = { params: { path: { run_id: runId } } };
      return body(
        change === 'cancel'
          ? await api.POST('/api/runs/{run_id}/cancel', which)
          : await api.POST('/api/runs/{run_id}/retry', which),
      );
    },
    onSuccess: (run) => changeLists(queryClient, (pages) => withStates(pages, [run])),
    onError: (error) => {
      if (error instanceof ApiError && (error.status === 409 || error.status === 404))
        return queryClient.invalidateQueries({ queryKey: RUN_LISTS });
    },
  });
}
