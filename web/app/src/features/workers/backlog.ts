import { useQuery } from '@tanstack/react-query';
import { api, body, type Schemas } from '../../api/client';

export type Sample = Schemas['Sample'];
export type Measure = 'ready' | 'running' | 'secondsWaiting';

/** How long a history is shown. */
export const DAY_MS = 24 * 3_600_000;

const NOW_EVERY_MS = 5_000;
const DAY_EVERY_MS = 60_000;

/** Follow what waits now. */
export function useBacklog() {
  return useQuery({
    queryKey: ['admin', 'backlog', 'now'],
    queryFn: () => lanes(0),
    refetchInterval: NOW_EVERY_MS,
  });
}

/** Follow what waited during the last day; it is noted each minute. By lane, the oldest first. */
export function useHistory() {
  return useQuery({
    queryKey: ['admin', 'backlog', 'day'],
    queryFn: async () => new Map((await lanes(1_440)).map(({ lane, history }) => [lane, history])),
    refetchInterval: DAY_EVERY_MS,
  });
}

async function lanes(minutes: number): Promise<Schemas['LaneBacklog'][]> {
  return body(await api.GET('/api/admin/backlog', { params: { query: { minutes } } })).lanes;
}

/**
 * Return the highest value in each of `count` equal parts of the day that ends at `until` (ms since 1970); null for a
 * part of which nothing is known. Pure.
 */
export function highest(
  samples: readonly Sample[],
  measure: Measure,
  until: number,
  count: number,
): (number | null)[] {
  const parts: (number | null)[] = Array(count).fill(null);
  for (const sample of samples) {
    const place = Math.floor(((Date.parse(sample.at) - until + DAY_MS) / DAY_MS) * count);
    if (place < 0 || place > count) continue;
    const part = Math.min(place, count - 1); // a clock may be a little ahead
    parts[part] = Math.max(parts[part] ?? 0, sample[measure]);
  }
  return parts;
}
