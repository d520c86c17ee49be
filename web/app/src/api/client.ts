import createClient, { type Middleware } from 'openapi-fetch';
import { endSession, freshToken } from '../session/session';
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
    if (response.status === 401 && request.headers.has('Authorization')) endSession('expired');
    throw new ApiError(response.status, problem);
  },
  onError() {
    return new ApiError(0, { code: 'unreachable', detail: '' });
  },
};

/** The gateway's API. Every call that is not answered with success throws an ApiError. */
export const api = createClient<paths>({ baseUrl: location.origin });
api.use(authorize);

/** Return an answer's body. Calls throw where there is none, so this only tells the compiler. */
export function body<T>(answer: { data?: T }): T {
  return answer.data as T;
}
