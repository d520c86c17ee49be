import { vi } from 'vitest';
import type { ToldState } from '../frames';
import { told } from './frames';

/** What the API says of runs, and which calls it got. */
export class FakeApi {
  runs = new Map<string, ToldState>();
  calls: string[] = [];
  tokens: (string | null)[] = [];
  /** An answer to all calls in place of what is so. */
  refuses: { status: number; code: string } | null = null;

  constructor() {
    vi.stubGlobal('fetch', (url: string, init: RequestInit) => this.#answer(url, init));
  }

  set(part: Partial<ToldState> = {}): void {
    const state = told(part);
    this.runs.set(state.runId, state);
  }

  count(part: string): number {
    return this.calls.filter((url) => url.includes(part)).length;
  }

  async #answer(url: string, init: RequestInit): Promise<Response> {
    this.calls.push(url);
    this.tokens.push(new Headers(init.headers).get('Authorization'));
    if (this.refuses) return this.#problem(this.refuses.status, this.refuses.code);
    if (url.endsWith('/api/tickets')) return Response.json({ ticket: 'llt_1' }, { status: 201 });
    if (url.includes('?status=')) return Response.json({ items: [...this.runs.values()], nextCursor: null });
    const run = this.runs.get(/runs\/(\w+)\/progress/.exec(url)?.[1] ?? '');
    return run ? Response.json({ ...run, jobs: [] }) : this.#problem(404, 'not_found');
  }

  #problem(status: number, code: string): Response {
    return Response.json({ code, detail: `it is ${code}` }, { status });
  }
}
