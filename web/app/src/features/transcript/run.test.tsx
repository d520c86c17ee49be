import type { RunFrame } from '@lingoloop/react';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, expect, it, vi } from 'vitest';
import { useRun } from './run';
import { useTranscript } from './transcript';

const server = vi.hoisted(() => ({ GET: vi.fn(), said: [] as string[] }));
vi.mock('../../api/client', () => ({ api: server, body: ({ data }: { data: unknown }) => data }));
const stream = vi.hoisted(() => ({ tell: (_: RunFrame) => {} }));
vi.mock('@lingoloop/react', () => {
  const subscribeToRun = (_: string, onData: typeof stream.tell) => {
    stream.tell = onData;
    return () => {};
  };
  const events = { subscribeToRun, subscribeToGlobalEvents: () => () => {} };
  return { useEvents: () => events };
});

afterEach(cleanup);

const frame = (event: 'init' | 'done', status: string) => ({ event, status, chunksDone: 1 }) as RunFrame;

/** Open the page of a run that was looked at a moment ago, when it had this status and the one word `old`. */
function open(status: string) {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: 5_000 } } });
  client.setQueryData(['run', 'r'], { id: 'r', status });
  client.setQueryData(['segments', 'r'], [{ index: 0, start: 0, end: 1, text: 'old' }]);
  server.GET.mockImplementation(async (path: string) => {
    if (!path.endsWith('segments')) return { data: { id: 'r', status: 'succeeded' } };
    const items = server.said.map((text, index) => ({ index, start: index, end: index + 1, text }));
    return { data: { items, nextCursor: null } };
  });
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>{children}</QueryClientProvider>
  );
  const hook = renderHook(() => ({ ...useRun('r'), transcript: useTranscript('r') }), { wrapper });
  return () => hook.result.current.transcript.data?.map(({ text }) => text).join(' ');
}

it('has all words of a run that was tried again elsewhere since it was looked at', async () => {
  const texts = open('failed');
  server.said = ['old', 'new'];
  act(() => stream.tell(frame('init', 'processing')));
  await waitFor(() => expect(texts()).toBe('old new'));
  server.said = ['old', 'new', 'last'];
  act(() => stream.tell(frame('done', 'succeeded')));
  await waitFor(() => expect(texts()).toBe('old new last'));
});

it('does not read again what had ended when it was looked at', async () => {
  const texts = open('succeeded');
  server.GET.mockClear();
  act(() => stream.tell(frame('init', 'succeeded')));
  act(() => stream.tell(frame('done', 'succeeded')));
  await act(async () => {});
  expect([texts(), server.GET.mock.calls.length]).toEqual(['old', 0]);
});
