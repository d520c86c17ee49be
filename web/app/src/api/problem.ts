/** What an unsuccessful answer holds (RFC 9457), as far as the page uses it. */
export type Problem = {
  code: string;
  detail: string;
  fields?: Record<string, string>;
  requestId?: string;
  /** Seconds to wait before asking again, where the answer says so. */
  retryAfter?: number;
};

/** A call that was not answered with success; `status` is 0 where there was no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail || problem.code);
    this.name = 'ApiError';
  }
}

/** Read the problem out of an answer; one that holds none (from a proxy, say) gets a code by its status. */
export async function readProblem(response: Response): Promise<Problem> {
  const requestId = response.headers.get('X-Request-Id');
  const found: unknown = await response
    .clone()
    .json()
    .catch(() => null);
  const told = isProblem(found) ? found : { code: `http_${response.status}`, detail: response.statusText };
  const retryAfter = Number(response.headers.get('Retry-After'));
  return { ...told, ...(requestId && { requestId }), ...(retryAfter && { retryAfter }) };
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'code' in value && 'detail' in value;
}
