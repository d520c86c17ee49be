import { api, body } from '../../api/client';

/** Return an address that a browser may open without a header: a ticket stands in it, good for this path alone. */
export async function ticketed(path: string, query: Record<string, string> = {}): Promise<string> {
  const { ticket } = body(await api.POST('/api/tickets', { body: { path } }));
  return `${path}?${new URLSearchParams({ ...query, access_token: ticket })}`;
}
