import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render, screen } from '@testing-library/react';
import i18next from 'i18next';
import { I18nextProvider, initReactI18next } from 'react-i18next';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { ApiError } from '../../api/problem';
import en from '../../i18n/en';
import { UploadRow } from './UploadRow';
import { newUpload, type Upload } from './upload';

vi.mock('./queueContext', () => ({ useQueue: () => ({}) }));

beforeAll(() => i18next.use(initReactI18next).init({ lng: 'en', resources: { en } }));
afterEach(cleanup);

const FILE = new File(['x'.repeat(1000)], 'talk.wav');
const fault = (status: number, code: string) => new ApiError(status, { code, detail: '' });

function show(what: Partial<Upload>) {
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { enabled: false } } })}>
      <I18nextProvider i18n={i18next}>
        <ul>
          <UploadRow upload={{ ...newUpload({ kind: 'file', file: FILE, onDisk: true }, {}), ...what }} />
        </ul>
      </I18nextProvider>
    </QueryClientProvider>,
  );
  const actions = [...screen.queryAllByRole('link'), ...screen.queryAllByRole('button')];
  return { text: document.body.textContent, actions: actions.map((one) => one.textContent) };
}

const ROWS: [string, Partial<Upload>, RegExp, string[]][] = [
  ['waiting', { state: 'waiting' }, /Waits for its turn/, ['Pause', 'Cancel']],
  [
    'sending',
    { state: 'sending', sent: 420, secondsLeft: 100 },
    /420 byte of 1 kB · 42% · about 2 min left/,
    ['Pause', 'Cancel'],
  ],
  ['sent', { state: 'sending', sent: 1000 }, /the server is looking at it/, ['Pause', 'Cancel']],
  ['asking', { state: 'sending', size: null }, /Asking the server/, ['Cancel']],
  [
    'delayed',
    { state: 'delayed', error: fault(0, 'unreachable'), retryAt: 1 },
    /does not answer\. Next try at/,
    ['Try now', 'Cancel'],
  ],
  ['paused', { state: 'paused', sent: 420 }, /Paused at 42%/, ['Go on', 'Cancel']],
  ['missing', { state: 'missing', sent: 420 }, /Stopped at 42%/, ['Choose the file', 'Cancel']],
  ['done', { state: 'done', runId: 'r' }, /Uploaded/, ['Open', 'Remove']],
  [
    'reused',
    { state: 'done', runId: 'r', reused: true },
    /there already/,
    ['Open', 'Transcribe again anyway', 'Remove'],
  ],
  [
    'refused',
    { state: 'failed', error: fault(422, 'not_audio') },
    /Choose an audio or video file/,
    ['Remove'],
  ],
  ['failed', { state: 'failed', error: fault(503, 'unavailable') }, /on the server/, ['Try again', 'Remove']],
  ['full', { state: 'failed', error: fault(413, 'storage_quota') }, /no more room/, ['Try again', 'Remove']],
];

it.each(ROWS)('of an upload that is %s says what is, and what can be done', (_, what, says, actions) => {
  const shown = show(what);
  expect(shown.text).toMatch(says);
  expect(shown.actions).toEqual(actions.map((action) => `${action} talk.wav`));
});

it('leads to the run', () => {
  show({ state: 'done', runId: 'r1' });
  expect(screen.getByRole('link').getAttribute('href')).toBe('/runs/r1');
});
