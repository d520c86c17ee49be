import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ApiError } from './api';
import { Line } from './line';
import { FakeEventSource } from './testing/browser';
import { update } from './testing/frames';

let line: Line;
let states: string[];
let texts: [number | null, string][];
let lastId: number | null;
const ticket = vi.fn<() => Promise<string>>();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', FakeEventSource);
  vi.spyOn(Math, 'random').mockReturnValue(1);
  FakeEventSource.opened = [];
  [states, texts, lastId] = [[], [], null];
  let tickets = 0;
  ticket.mockReset().mockImplementation(async () => `llt_${++tickets}`);
  line = new Line({
    url: '/api/runs/events',
    ticket,
    lastId: () => lastId,
    onText: (text, id) => texts.push([id, JSON.parse(text).event]),
    onState: (state, trouble) => states.push(trouble ? `${state}: ${trouble.code}` : state),
    onBeat: () => {},
  });
  return vi.advanceTimersByTimeAsync(0);
});

afterEach(() => {
  line.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const sources = () => FakeEventSource.opened.length;

test('it opens with a ticket and asks for heartbeats', () => {
  expect(FakeEventSource.last.url).toBe('/api/runs/events?access_token=llt_1&heartbeat=1');
});

test('it is open with the first sign of life', () => {
  FakeEventSource.last.beat();
  expect(states).toEqual(['open']);
});

test('a frame without an id has none, though the browser shows the one before', () => {
  FakeEventSource.last.send(update(), 7);
  FakeEventSource.last.send(update());
  FakeEventSource.last.send(update(), 8);
  expect(texts.map(([id]) => id)).toEqual([7, null, 8]);
});

test('after a cut of a stream that worked, the browser comes back by itself', async () => {
  FakeEventSource.last.beat();
  await vi.advanceTimersByTimeAsync(6_000);
  FakeEventSource.last.break();
  expect(states).toEqual(['open', 'connecting: disconnected']);
  await vi.advanceTimersByTimeAsync(20_000);
  FakeEventSource.last.beat();
  expect([states.at(-1), sources()]).toEqual(['open', 1]);
});

test('if it does not come back, a new ticket and the last id open another', async () => {
  lastId = 41;
  FakeEventSource.last.beat();
  await vi.advanceTimersByTimeAsync(6_000);
  FakeEventSource.last.break();
  FakeEventSource.last.break();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(FakeEventSource.last.query.get('access_token')).toBe('llt_2');
  expect(FakeEventSource.last.query.get('lastEventId')).toBe('41');
  expect(FakeEventSource.live).toHaveLength(1);
});

test('three refusals in a row are a blocked stream; it goes on trying, later and later', async () => {
  const pauses = [1_000, 2_000, 4_000, 8_000];
  for (const pause of pauses) {
    const before = sources();
    FakeEventSource.last.break(true);
    await vi.advanceTimersByTimeAsync(pause - 1);
    expect(sources()).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(sources()).toBe(before + 1);
  }
  expect(states).toEqual([
    'connecting: disconnected',
    'connecting: disconnected',
    'blocked: stream_blocked',
    'blocked: stream_blocked',
  ]);
});

test('a proxy that holds all back is a blocked stream at once', async () => {
  await vi.advanceTimersByTimeAsync(10_000);
  expect(states).toEqual(['blocked: stream_blocked']);
});

test('a stream that is cut as soon as it opens gets no better', async () => {
  for (let turn = 0; turn < 3; turn += 1) {
    FakeEventSource.last.beat();
    FakeEventSource.last.break();
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(states).toContain('blocked: stream_blocked');
});

test('a stream that falls silent is opened again', async () => {
  FakeEventSource.last.beat();
  await vi.advanceTimersByTimeAsync(15_000);
  FakeEventSource.last.beat();
  await vi.advanceTimersByTimeAsync(39_000);
  expect(sources()).toBe(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sources()).toBe(2);
});

test('why there is no ticket is told', async () => {
  ticket.mockRejectedValueOnce(new ApiError('unauthorized', 'the token has expired', 401));
  FakeEventSource.last.break(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(states.at(-1)).toBe('connecting: unauthorized');
});

test.each(['online', 'visibilitychange'])('on %s it does not wait any longer', async (event) => {
  for (let turn = 0; turn < 4; turn += 1) {
    FakeEventSource.last.break(true);
    await vi.advanceTimersByTimeAsync(8_000);
  }
  FakeEventSource.last.break(true);
  const before = sources();
  (event === 'online' ? window : document).dispatchEvent(new Event(event));
  await vi.advanceTimersByTimeAsync(0);
  expect(sources()).toBe(before + 1);
});

test('a stream that works is left alone when the page is looked at, a stale one is not', async () => {
  FakeEventSource.last.beat();
  document.dispatchEvent(new Event('visibilitychange'));
  await vi.advanceTimersByTimeAsync(0);
  expect(sources()).toBe(1);
  vi.setSystemTime(Date.now() + 3_600_000); // the machine slept
  document.dispatchEvent(new Event('visibilitychange'));
  await vi.advanceTimersByTimeAsync(0);
  expect(sources()).toBe(2);
});

test('closed, it does nothing more', async () => {
  FakeEventSource.last.break(true);
  line.close();
  await vi.advanceTimersByTimeAsync(100_000);
  expect([sources(), FakeEventSource.live.length]).toEqual([1, 0]);
});
