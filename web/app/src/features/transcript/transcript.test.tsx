import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { useEditing } from './editing';
import type { Segment } from './segments';
import { refresh, takeTold, useTranscript } from './transcript';

const server = vi.hoisted(() => ({ GET: vi.fn(), PATCH: vi.fn() }));
vi.mock('../../api/client', () => ({ api: server, body: ({ data }: { data: unknown }) => data }));

const segment = (index: number, text: string): Segment => ({
  index,
  start: index,
  end: index + 1,
  text,
  words: [],
});
let client: QueryClient;

beforeEach(() => {
  client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  server.GET.mockReset();
  server.PATCH.mockReset();
});
afterEach(cleanup);

function open() {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  const hook = renderHook(() => ({ transcript: useTranscript('run'), ...useEditing('run') }), { wrapper });
  const texts = () => hook.result.current.transcript.data?.map(({ text }) => text).join(' ');
  return { hook, texts };
}

function serve(...pages: Segment[][]) {
  for (const [place, items] of pages.entries()) {
    const nextCursor = place < pages.length - 1 ? `${items.at(-1)?.index}` : null;
    server.GET.mockResolvedValueOnce({ data: { items, nextCursor } });
  }
}

it('is read page by page', async () => {
  serve([segment(0, 'one'), segment(1, 'two')], [segment(1000, 'three')]);
  const { texts } = open();
  await waitFor(() => expect(texts()).toBe('one two three'));
  const cursors = server.GET.mock.calls.map(([, { params }]) => params.query.cursor);
  expect(cursors).toEqual([-1, 1]);
});

it('keeps what frames tell while it is read', async () => {
  let answer = (_: unknown) => {};
  server.GET.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
  const { texts } = open();
  act(() => takeTold(client, 'run', [segment(1000, 'told')]));
  answer({ data: { items: [segment(0, 'read')], nextCursor: null } });
  await waitFor(() => expect(texts()).toBe('read told'));
});

it('shows an edit at once, and takes back one that the server refuses, without losing what was written', async () => {
  serve([segment(0, 'machine')]);
  let refuse = (_: Error) => {};
  server.PATCH.mockReturnValueOnce(new Promise((_, reject) => (refuse = reject)));
  const { hook, texts } = open();
  await waitFor(() => expect(texts()).toBe('machine'));
  act(() => hook.result.current.editing.edit(segment(0, 'machine')));
  act(() => hook.result.current.editing.save({ text: 'person', speaker: null }));
  await waitFor(() => expect(texts()).toBe('person'));
  expect(hook.result.current.editing.open).toBeNull();
  refuse(new Error('no'));
  await waitFor(() => expect(texts()).toBe('machine'));
  act(() => hook.result.current.refused?.again());
  expect(hook.result.current.editing.open?.draft.text).toBe('person');
});

it('sends only what was changed, and shows what the server makes of it', async () => {
  serve([segment(0, 'machine')]);
  server.PATCH.mockResolvedValueOnce({ data: { ...segment(0, 'as stored'), edited: true } });
  const { hook, texts } = open();
  await waitFor(() => expect(texts()).toBe('machine'));
  act(() => hook.result.current.editing.edit(segment(0, 'machine')));
  act(() => hook.result.current.editing.save({ text: 'person', speaker: null }));
  await waitFor(() => expect(texts()).toBe('as stored'));
  expect(server.PATCH.mock.calls[0]?.[1].body).toEqual({ text: 'person' });
});

it('is read whole, also where a frame told of some of it before', async () => {
  takeTold(client, 'run', [segment(1000, 'told')]);
  serve([segment(0, 'one'), segment(1000, 'told')]);
  const { texts } = open();
  await waitFor(() => expect(texts()).toBe('one told'));
});

it('keeps an edit when what was read before it comes after it', async () => {
  serve([segment(0, 'machine')]);
  server.PATCH.mockResolvedValueOnce({ data: { ...segment(0, 'person'), edited: true } });
  const { hook, texts } = open();
  await waitFor(() => expect(texts()).toBe('machine'));
  let answer = (_: unknown) => {};
  server.GET.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
  refresh(client, 'run');
  serve([{ ...segment(0, 'person'), edited: true }, segment(1, 'more')]);
  act(() => hook.result.current.editing.edit(segment(0, 'machine')));
  act(() => hook.result.current.editing.save({ text: 'person', speaker: null }));
  await waitFor(() => expect(texts()).toBe('person more'));
  await act(async () => answer({ data: { items: [segment(0, 'machine')], nextCursor: null } }));
  expect(texts()).toBe('person more');
});
