import createClient, { type Middleware } from 'openapi-fetch';
import { freshToken, tokenRefused } from '../session/session';
import { ApiError, readProblem } from './problem';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];

const authorize: Middleware = {
  async onRequest({ request }) {
    const token = await freshToken();
    if (token) request.headers.set('Authorization', `Bearer ${token}`);
  },
  async onResponse({ request, response }) {
    if (response.ok) return;
    const problem = await readProblem(response);
    if (response.status === 401) tokenRefused(tokenIn(request.headers.get('Authorization')));
    throw new ApiError(response.status, problem);
  },
  onError() {
    return new ApiError(0, { code: 'unreachable', detail: '' });
  },
};

/** Return the token that a request was sent with; '' for none. */
export function tokenIn(authorization: string | null | undefined): string {
  return authorization?.replace('Bearer ', '') ?? '';
}

/** The gateway's API. Every call that is not answered with success throws an ApiError. */
export const api = createClient<paths>({ baseUrl: location.origin });
api.use(authorize);

/** Return an answer's body. Calls throw where there is none, so this only tells the compiler. */
export function body<T>(answer: { data?: T }): T {
  return answer.data as T;
}
