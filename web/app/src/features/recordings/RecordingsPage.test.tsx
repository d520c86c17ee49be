import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import i18next from 'i18next';
import { I18nextProvider, initReactI18next } from 'react-i18next';
import { afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import en from '../../i18n/en';
import { beginSession } from '../../session/session';
import type { Frame } from './news';
import { RecordingsPage } from './RecordingsPage';
import type { Run } from './runs';
import { aRun, aState } from './testing';

const server = vi.hoisted(() => {
  const faked = vi.fn<(request: Request) => Promise<Response>>();
  globalThis.fetch = (input) => faked(input as Request);
  return faked;
});
const stream = vi.hoisted(() => ({ tell: (_: Frame) => {} }));
vi.mock('@lingoloop/react', () => ({
  useEvents: () => events,
}));
vi.mock('../uploads/AddRecordings', () => ({ AddRecordings: () => null }));

const events = {
  subscribeToGlobalEvents: (onData: (frame: Frame) => void) => {
    stream.tell = onData;
    return () => {};
  },
};

const ENGINES = {
  default: { engine: 'whisper', model: 'base' },
  items: [
    {
      engine: 'whisper',
      model: 'base',
      lane: 'whisper.base',
      languages: null,
      can: ['diarize'],
      alive: true,
    },
  ],
};
const asked: string[] = [];
let runs: Run[];

beforeAll(async () => {
  await i18next.use(initReactI18next).init({ lng: 'en', resources: { en } });
  // happy-dom has no top layer; what is modal is the browser's to show.
  HTMLDialogElement.prototype.showModal ??= function showModal() {
    this.open = true;
  };
});

beforeEach(() => {
  asked.length = 0;
  runs = [];
  history.replaceState(null, '', '/');
  beginSession({ token: 'made up', owner: 'ann', scopes: ['runs:read', 'runs:write'], expiresAt: null });
  server.mockImplementation(async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === '/api/engines') return Response.json(ENGINES);
    asked.push(`${request.method} ${pathname}${decodeURIComponent(search)}`);
    return Response.json({ items: runs, nextCursor: null });
  });
});
afterEach(cleanup);

function show() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <I18nextProvider i18n={i18next}>
      <QueryClientProvider client={client}>
        <RecordingsPage />
      </QueryClientProvider>
    </I18nextProvider>,
  );
}

const row = async (name: string) =>
  within((await screen.findByRole('link', { name })).closest('li') as HTMLElement);

it('says of each run what it is of and how far it is', async () => {
  runs = [
    aRun('a', { progress: 42, estimatedTimeRemaining: 130 }),
    aRun('b', { status: 'queued', progress: 0, queuePosition: 3, estimatedTimeRemaining: null }),
    aRun('c', { status: 'succeeded' }),
  ];
  show();
  const under = await row('a.ogg');
  expect(under.getByText('Being transcribed')).toBeTruthy();
  expect(under.getByRole('progressbar', { name: 'Progress of a.ogg' }).getAttribute('value')).toBe('42');
  expect(under.getByText('about 3 min left')).toBeTruthy();
  expect(under.getByText('whisper base')).toBeTruthy();
  expect((await row('b.ogg')).getByText('number 3 in the queue')).toBeTruthy();
  expect((await row('c.ogg')).queryByRole('progressbar')).toBeNull();
});

it('tells runs of one recording apart by what was asked for', async () => {
  const options: Run['options'] = { ...aRun('a').options, task: 'translate', diarize: true };
  runs = [aRun('a', { language: 'multi', options: { ...options, hotwords: ['Ann', 'Bob'] } })];
  show();
  const facts = (await row('a.ogg')).getByText('whisper base').parentElement as HTMLElement;
  const texts = [...facts.querySelectorAll('span')].map((fact) => fact.textContent);
  expect(texts).toEqual([
    '1 min',
    'several languages',
    'whisper base',
    'translated into English',
    'speakers told apart',
    '2 hot words',
  ]);
});

it('moves on with the stream, without asking', async () => {
  runs = [aRun('a')];
  show();
  const shown = await row('a.ogg');
  act(() => stream.tell({ event: 'update', ...aState('a') }));
  await waitFor(() => expect(asked).toHaveLength(2)); // it was new to the stream
  act(() => stream.tell({ event: 'update', ...aState('a', { progress: 77, timeElapsed: 2_000 }) }));
  expect(await shown.findByText('77%')).toBeTruthy();
  expect(shown.getByRole('progressbar').getAttribute('value')).toBe('77');
  expect(asked).toHaveLength(2);
});

it('shows a run that the stream tells of first', async () => {
  show();
  await screen.findByText('There is no recording yet');
  runs = [aRun('new')];
  act(() => stream.tell({ event: 'update', ...aState('new', { status: 'queued' }) }));
  expect(await screen.findByRole('link', { name: 'new.ogg' })).toBeTruthy();
});

it('announces what has ended', async () => {
  runs = [aRun('a')];
  show();
  await row('a.ogg');
  act(() => stream.tell({ event: 'done', ...aState('a', { status: 'succeeded', progress: 100 }) }));
  await waitFor(() => expect(screen.getByRole('status').textContent).toBe('a.ogg is finished.'));
});

it('tells the cause of a failure and what to do, in words', async () => {
  runs = [aRun('a', { status: 'failed', error: { code: 'not_audio', message: 'no stream 0' } })];
  show();
  const failed = await row('a.ogg');
  expect(failed.getByText('The file holds no sound that can be read.')).toBeTruthy();
  expect(failed.getByText(/^no stream 0/)).toBeTruthy();
});

it('searches after a pause, by the address, and marks what is found', async () => {
  show();
  await screen.findByText('There is no recording yet');
  runs = [aRun('a', { matches: [{ index: 4, start: 12.34, text: 'the <b>budget</b>' }] })];
  fireEvent.change(screen.getByRole('searchbox'), { target: { value: 'budg' } });
  const link = await screen.findByRole('link', { name: /0:12/ });
  expect(link.getAttribute('href')).toBe('/runs/a#t=12.3');
  expect(link.querySelector('mark')?.textContent).toBe('budg');
  expect(link.textContent).toContain('the <b>budget</b>');
  expect(location.search).toBe('?q=budg');
  expect(asked).toContain('GET /api/runs?limit=50&q=budg');
});

it('says that nothing was found, and leads back to all', async () => {
  history.replaceState(null, '', '/?q=nothing&status=failed');
  show();
  await screen.findByText('Nothing is called “nothing”, and nowhere is it said');
  fireEvent.click(screen.getByRole('button', { name: 'Show all recordings' }));
  await waitFor(() => expect(location.search).toBe(''));
  expect((screen.getByRole('searchbox') as HTMLInputElement).value).toBe('');
});

it('says what went wrong, and tries again when told to', async () => {
  server.mockImplementationOnce(async () => new Response('', { status: 502 }));
  show();
  const fault = await screen.findByRole('alert');
  expect(fault.textContent).toContain('Something went wrong on the server.');
  runs = [aRun('a')];
  fireEvent.click(within(fault).getByRole('button', { name: 'Try again' }));
  await row('a.ogg');
  expect(screen.queryByRole('alert')).toBeNull();
});

it('reads the next page when told to', async () => {
  const pages = [
    { items: [aRun('a')], nextCursor: 'here' },
    { items: [aRun('b')], nextCursor: null },
  ];
  for (const page of pages) server.mockImplementationOnce(async () => Response.json(page));
  show();
  fireEvent.click(await screen.findByRole('button', { name: 'Show more' }));
  await row('b.ogg');
  await row('a.ogg');
  expect(screen.queryByRole('button', { name: 'Show more' })).toBeNull();
  expect(new URL(server.mock.lastCall?.[0].url ?? '').searchParams.get('cursor')).toBe('here');
});

it('cancels, and shows what the server made of it', async () => {
  runs = [aRun('a')];
  show();
  const shown = await row('a.ogg');
  const canceled = { ...aRun('a'), status: 'failed', error: { code: 'canceled', message: '' } };
  server.mockImplementationOnce(async () => Response.json(canceled, { status: 202 }));
  fireEvent.click(shown.getByRole('button', { name: 'Cancel a.ogg' }));
  expect(await shown.findByText('Cancelled')).toBeTruthy();
  expect(shown.getByRole('button', { name: 'Try again a.ogg' })).toBeTruthy();
});

it('offers nothing to do to who may only read', async () => {
  beginSession({ token: 'made up', owner: 'ann', scopes: ['runs:read'], expiresAt: null });
  runs = [aRun('a')];
  show();
  expect((await row('a.ogg')).queryByRole('button')).toBeNull();
});

it('says what a deletion removes, and shows its receipt', async () => {
  runs = [aRun('a', { status: 'succeeded' })];
  show();
  const audio = { sizeBytes: 15_728_640, durationMs: 180_000, runs: [{}, {}] };
  const receipt = { id: 'r1', runs: 2, segments: 1_234, events: 1, sizeBytes: 15_728_640 };
  const shown = await row('a.ogg');
  server.mockImplementationOnce(async () => Response.json(audio));
  fireEvent.click(shown.getByRole('button', { name: 'Delete a.ogg' }));
  expect(await screen.findByText('the recording (15.7 MB, 3 min)')).toBeTruthy();
  expect(screen.getByText('its 2 transcripts, with the text and all corrections')).toBeTruthy();
  expect(screen.getByText('This cannot be undone.')).toBeTruthy();
  server.mockImplementationOnce(async () => Response.json(receipt));
  runs = [];
  fireEvent.click(screen.getByRole('button', { name: 'Delete for good' }));
  expect(await screen.findByText('1,234 segments of text')).toBeTruthy();
  expect(screen.queryByRole('link', { name: 'a.ogg' })).toBeNull();
});

it('transcribes again with other options, and tells where that was done already', async () => {
  runs = [aRun('a', { status: 'succeeded' })];
  show();
  fireEvent.click((await row('a.ogg')).getByRole('button', { name: 'Transcribe again a.ogg' }));
  fireEvent.click(await screen.findByText('English · whisper · base'));
  fireEvent.change(screen.getByLabelText('Speakers'), { target: { value: 'diarize' } });
  server.mockImplementationOnce(async () => Response.json({ runId: 'old', reused: true }));
  fireEvent.click(screen.getByRole('button', { name: 'Begin' }));
  const link = await screen.findByRole('link', { name: 'Open it' });
  expect(link.getAttribute('href')).toBe('/runs/old');

  let wished: unknown;
  server.mockImplementationOnce(async (request) => {
    wished = await request.json();
    return Response.json({ runId: 'new' }, { status: 202 });
  });
  fireEvent.click(screen.getByRole('button', { name: 'Transcribe again anyway' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(wished).toMatchObject({ language: 'en', diarize: true, force: true });
});
