import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/client';

export type Letter = Schemas['DeadLetter'];

/** Which dead letters to put back. */
export type Choice = { ids: string[] } | { code: string } | { all: true };

/** How many of the newest are looked at. */
export const LOOKED_AT = 1_000;

/** How many one call can put back by their ids. */
export const AT_ONCE = 200;

const EVERY_MS = 10_000;

/** Follow the newest dead letters; `more`: there are others. */
export function useLetters() {
  return useQuery({
    queryKey: ['admin', 'dead-letters'],
    queryFn: async () => {
      const params = { query: { limit: LOOKED_AT } };
      const { items, nextCursor } = body(await api.GET('/api/admin/dead-letters', { params }));
      return { letters: items, more: nextCursor !== null };
    },
    refetchInterval: EVERY_MS,
  });
}

/** Put dead letters back; tells how many were, and how many of the chosen are left. */
export function useReplay() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (choice: Choice) => {
      const answer = await api.POST('/api/admin/dead-letters/replay', {
        body: choice as Schemas['Selection'],
      });
      return body(answer);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['admin'] }),
  });
}

/** Return how many letters have each cause, the most frequent first. Pure. */
export function countByCode(letters: readonly Letter[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { code } of letters) counts.set(code, (counts.get(code) ?? 0) + 1);
  return [...counts].sort(([one, many], [other, more]) => more - many || one.localeCompare(other));
}
