import { act, cleanup, render, screen } from '@testing-library/react';
import { StrictMode } from 'react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EventContext } from '../contexts/EventContext';
import type { OwnerEvents } from '../events';
import { advance, type RunFrame, type Trouble } from '../frames';
import { done, told, update } from '../testing/frames';
import { TranscriptionStatus, type TranscriptionStatusProps } from './TranscriptionStatus';

/** The page's events, of which a test says what comes. */
class FakeEvents {
  subscribers: { runId: string; onData: (frame: RunFrame) => void; onError: (trouble: Trouble) => void }[] =
    [];
  subscribed = 0;

  subscribeToRun = (
    runId: string,
    onData: (frame: RunFrame) => void,
    onError: (trouble: Trouble) => void,
  ) => {
    const subscriber = { runId, onData, onError };
    this.subscribers.push(subscriber);
    this.subscribed += 1;
    return () => {
      this.subscribers = this.subscribers.filter((one) => one !== subscriber);
    };
  };

  tell(frame: { event: string } & Parameters<typeof advance>[1]): void {
    const whole = { ...frame, ...advance(undefined, frame) } as RunFrame;
    act(() => {
      for (const { runId, onData } of this.subscribers) if (runId === frame.runId) onData(whole);
    });
  }
}

let events: FakeEvents;
beforeEach(() => {
  events = new FakeEvents();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const piece = (props: Partial<TranscriptionStatusProps> = {}) => (
  <EventContext value={events as unknown as OwnerEvents}>
    <TranscriptionStatus runId="r1" language="en" {...props} />
  </EventContext>
);
const init = (part: Parameters<typeof told>[0] = {}) => ({ event: 'init', ...told(part) });

test('a run in the queue shows its place', () => {
  render(piece());
  expect(screen.getByRole('status').textContent).toBe('Asking for the state…');
  events.tell(init({ status: 'queued', queuePosition: 3, estimatedTimeRemaining: 150 }));
  expect(screen.getByRole('status').textContent).toBe('Waiting in the queue');
  expect(screen.getByText('Place in the queue: 3')).toBeTruthy();
  expect(screen.getByText('About 3 minutes left')).toBeTruthy();
});

test('a run under way shows a bar, the time left, and its chunks', () => {
  render(piece());
  events.tell(init({ progress: 42, chunksDone: 5, chunksTotal: 12, estimatedTimeRemaining: 3_900 }));
  const bar = screen.getByRole('progressbar', { name: 'Progress of the transcription' });
  expect([bar.getAttribute('value'), bar.getAttribute('max')]).toEqual(['42', '100']);
  expect(screen.getByText('Chunks done: 5 of 12')).toBeTruthy();
  expect(screen.getByText('About 1 hour 5 minutes left')).toBeTruthy();
});

test('only the status is read out', () => {
  render(piece());
  events.tell(init({ progress: 1 }));
  const before = screen.getByRole('status').textContent;
  events.tell(update({ progress: 2, chunksDone: 1, estimatedTimeRemaining: 9 }));
  expect(screen.getByRole('status').textContent).toBe(before);
});

test.each([
  [done(), 'Transcribed'],
  [done({ status: 'failed', error: { code: 'not_audio', message: 'no sound' } }), 'Failed: no sound'],
  [done({ status: 'failed', error: { code: 'canceled', message: 'by you' } }), 'Cancelled'],
])('an end is told, without a bar', (frame, text) => {
  render(piece());
  events.tell(frame);
  expect(screen.getByRole('status').textContent).toBe(text);
  expect(screen.queryByRole('progressbar')).toBeNull();
});

test.each([
  ['zh-CN', '转录中'],
  ['zh-Hant-TW', '转录中'],
  ['de', 'Transcribing'],
])('in %s', (language, text) => {
  render(piece({ language }));
  events.tell(init());
  expect(screen.getByText(text)).toBeTruthy();
});

test('the language is the browser’s if none is given', () => {
  vi.stubGlobal('navigator', { language: 'zh-CN' });
  render(
    <EventContext value={events as unknown as OwnerEvents}>
      <TranscriptionStatus runId="r1" />
    </EventContext>,
  );
  expect(screen.getByRole('status').textContent).toBe('正在查询状态…');
});

test('trouble with the connection is shown until the next frame', () => {
  render(piece());
  events.tell(init());
  act(() => events.subscribers[0]?.onError({ code: 'disconnected', message: '' }));
  expect(screen.getByText('The connection broke; connecting again.')).toBeTruthy();
  events.tell(update());
  expect(screen.queryByText('The connection broke; connecting again.')).toBeNull();
});

test('the callbacks are told each status, and the end once; they may change without subscribing again', () => {
  const statuses: string[] = [];
  const ends: [string, boolean, RunFrame][] = [];
  const props = (name: string) => ({
    onStatusChange: (status: string) => void statuses.push(`${name} ${status}`),
    onCompleted: (success: boolean, data: RunFrame) => void ends.push([name, success, data]),
  });
  const { rerender } = render(piece(props('old')));
  events.tell(init({ status: 'queued' }));
  events.tell(update({ status: 'processing' }));
  rerender(piece(props('new')));
  events.tell(update({ status: 'processing', chunksDone: 1 }));
  events.tell(done({ status: 'failed', error: { code: 'deadline', message: 'late' } }));
  events.tell(done({ status: 'failed' }));
  expect(statuses).toEqual(['old queued', 'old processing', 'new failed']);
  expect(ends).toMatchObject([['new', false, { error: { code: 'deadline' } }]]);
  expect(events.subscribed).toBe(1);
});

test('in strict mode the end is told once, too', () => {
  const onCompleted = vi.fn();
  render(<StrictMode>{piece({ onCompleted })}</StrictMode>);
  events.tell(init({ status: 'succeeded' }));
  events.tell(done());
  expect(onCompleted).toHaveBeenCalledOnce();
  expect(events.subscribers).toHaveLength(1);
});

test('another run begins anew', () => {
  const onCompleted = vi.fn();
  const { rerender } = render(piece({ onCompleted }));
  events.tell(done());
  rerender(piece({ onCompleted, runId: 'r2' }));
  expect(screen.getByRole('status').textContent).toBe('Asking for the state…');
  events.tell(done({ runId: 'r2' }));
  expect(onCompleted).toHaveBeenCalledTimes(2);
});

test('without a provider it says what to do', () => {
  vi.spyOn(console, 'error').mockImplementation(() => {});
  expect(() => render(<TranscriptionStatus runId="r1" />)).toThrow(
    'There is no EventProvider above this component',
  );
});
