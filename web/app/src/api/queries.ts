import { QueryClient } from '@tanstack/react-query';
import { onLeaving } from '../session/session';
import { ApiError } from './problem';

const RETRIES = 3;

/** Whether another try may help: a wrong request stays wrong. */
export function mayRetry(failures: number, error: Error): boolean {
  const hopeless =
    error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
  return failures < RETRIES && !hopeless;
}

export const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: mayRetry, staleTime: 5_000 } },
});

// What was fetched for one owner is not shown to the next.
onLeaving(() => queryClient.clear());
