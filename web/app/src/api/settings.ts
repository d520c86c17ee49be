import { queryOptions } from '@tanstack/react-query';
import { api, body } from './client';

/** What the server tells everybody: the ways in, and how much it takes. */
export const settingsQuery = queryOptions({
  queryKey: ['settings'],
  queryFn: async () => body(await api.GET('/api/settings')),
  staleTime: Number.POSITIVE_INFINITY,
});
