import type { RunProgress, ToldState, Trouble } from './frames';

const PATIENCE_MS = 20_000;

/** A call that did not work; `status` is 0 when no answer came. */
export class ApiError extends Error implements Trouble {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** The server's calls that are needed here. */
export interface Api {
  ticket(path: string): Promise<string>;
  progress(runId: string): Promise<RunProgress>;
  openRuns(): Promise<ToldState[]>;
}

export function createApi(baseUrl: string, bearer: () => Promise<string>): Api {
  async function call<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = { Authorization: `Bearer ${await bearer()}` };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(baseUrl + path, { ...init, headers, signal, cache: 'no-store' }).catch(
      () => {
        throw new ApiError('unreachable', 'The server cannot be reached; trying again.', 0);
      },
    );
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body as Answer;
    throw new ApiError(
      body.code ?? 'unavailable',
      body.detail ?? `The server answers ${response.status}.`,
      response.status,
    );
  }
  return {
    async ticket(path) {
      const body = JSON.stringify({ path });
      return (await call<{ ticket: string }>('/api/tickets', { method: 'POST', body })).ticket;
    },
    progress: (runId) => call(`/api/runs/${encodeURIComponent(runId)}/progress`),
    async openRuns() {
      return (await call<{ items: ToldState[] }>('/api/runs?status=queued,processing&limit=100')).items;
    },
  };
}

/** What a thrown thing says of the connection. */
export function troubleOf(thrown: unknown): Trouble {
  if (thrown instanceof ApiError) return { code: thrown.code, message: thrown.message };
  return {
    code: 'token_unavailable',
    message: `No token could be had: ${thrown instanceof Error ? thrown.message : thrown}`,
  };
}
