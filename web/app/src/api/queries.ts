import { QueryClient } from '@tanstack/react-query';
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
