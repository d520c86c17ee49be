import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { OwnerEvents } from './events';
import type { GlobalFrame, RunFrame, Trouble } from './frames';
import { FakeEventSource } from './testing/browser';
import { done, told, update } from './testing/frames';
import { FakeApi } from './testing/server';

let api: FakeApi;
let token: string;
let events: OwnerEvents;
let frames: RunFrame[];
let troubles: Trouble[];

const jwt = (sub: string) => `e30.${btoa(JSON.stringify({ sub }))}.x`;
const turn = (milliseconds = 0) => vi.advanceTimersByTimeAsync(milliseconds);
const follow = (runId = 'r1') =>
  events.subscribeToRun(
    runId,
    (frame) => frames.push(frame),
    (trouble) => troubles.push(trouble),
  );
const heard = () => frames.map(({ event, status, chunksDone }) => `${event} ${status} ${chunksDone}`);

async function opened(items = [told()]): Promise<FakeEventSource> {
  await turn();
  FakeEventSource.last.send({ event: 'snapshot', items }, 10);
  await turn();
  return FakeEventSource.last;
}

async function blocked(): Promise<void> {
  await turn();
  for (let time = 0; time < 3; time += 1) {
    FakeEventSource.last.break(true);
    await turn(2_000);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  vi.stubGlobal('EventSource', FakeEventSource);
  vi.stubGlobal('navigator', {});
  FakeEventSource.opened = [];
  api = new FakeApi();
  api.set();
  [frames, troubles, token] = [[], [], jwt('ann')];
  events = new OwnerEvents({ baseUrl: '', token: () => token });
});

afterEach(() => {
  events.cleanup();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe('a run', () => {
  test('gives its state first, then each frame, and nothing after its end', async () => {
    follow();
    const source = await opened();
    source.send(update({ chunksDone: 1 }, [0]), 11);
    source.send(update({ runId: 'r2' }), 12);
    source.send(done({ chunksDone: 1 }), 13);
    source.send(update({ status: 'queued' }), 14);
    expect(heard()).toEqual(['init processing 0', 'update processing 1', 'done succeeded 1']);
    expect(frames[1]?.segments).toHaveLength(1);
    expect(api.count('progress')).toBe(0);
  });

  test('that has ended gives its state and its end', async () => {
    api.set({ status: 'failed', error: { code: 'canceled', message: 'by you' } });
    follow();
    await opened([]);
    expect(heard()).toEqual(['init failed 0', 'done failed 0']);
    expect(frames[1]?.error?.code).toBe('canceled');
  });

  test('is asked for when the stream takes long to open', async () => {
    follow();
    await turn(3_000);
    expect(heard()).toEqual(['init processing 0']);
  });

  test('what comes while its state is asked for comes after that, and never goes back', async () => {
    api.set({ chunksDone: 5 });
    follow();
    const source = await opened([]); // not in it: it is asked for
    frames = [];
    events.subscribeToRun('r1', () => {});
    source.send(update({ chunksDone: 4 }, [4]), 11);
    expect(frames.map(({ chunksDone, segments }) => [chunksDone, segments?.length])).toEqual([[5, 1]]);
  });

  test('tells nothing to whom has left', async () => {
    const leave = follow();
    leave();
    await opened();
    expect(frames).toEqual([]);
  });

  test('that is not there is an error, once, and the end', async () => {
    follow('nobody');
    await opened();
    expect(troubles).toEqual([{ code: 'not_found', message: 'it is not_found' }]);
    expect(events.store.get().connections.has('nobody')).toBe(false);
  });

  test('one subscriber that throws takes nothing from the others', async () => {
    const report = vi.fn();
    vi.stubGlobal('reportError', report);
    events.subscribeToRun('r1', () => {
      throw new Error('a fault of the page');
    });
    follow();
    await opened();
    expect(heard()).toEqual(['init processing 0']);
    expect(report).toHaveBeenCalledOnce();
  });

  test('after a fresh snapshot it is told anew, or asked for if it is not in it', async () => {
    follow();
    const source = await opened();
    source.send({ event: 'snapshot', items: [told({ chunksDone: 2 })] }, 20);
    api.set({ status: 'succeeded', chunksDone: 3 });
    source.send({ event: 'snapshot', items: [] }, 30);
    await turn();
    expect(heard()).toEqual([
      'init processing 0',
      'init processing 2',
      'init succeeded 3',
      'done succeeded 3',
    ]);
  });
});

describe('all runs', () => {
  const all: GlobalFrame[] = [];
  beforeEach(() => {
    all.length = 0;
  });

  test('a snapshot first, then each frame', async () => {
    events.subscribeToGlobalEvents((frame) => all.push(frame));
    (await opened()).send(update({ chunksDone: 1 }, [0]), 11);
    expect(all.map(({ event }) => event)).toEqual(['snapshot', 'update']);
  });

  test('who comes later gets what is under way', async () => {
    follow();
    await opened();
    events.subscribeToGlobalEvents((frame) => all.push(frame));
    await turn();
    expect(all).toMatchObject([{ event: 'snapshot', items: [{ runId: 'r1' }] }]);
  });

  test('the newest frames are kept, without their words and not more than a hundred', async () => {
    follow();
    const source = await opened();
    for (let id = 11; id < 200; id += 1) source.send(update({ chunksDone: id }, [id]), id);
    const { globalEvents } = events.store.get();
    expect(globalEvents).toHaveLength(100);
    expect(globalEvents.at(-1)).toMatchObject({ event: 'update', chunksDone: 199 });
    expect(globalEvents.at(-1)).not.toHaveProperty('segments');
  });
});

describe('where the stream is blocked', () => {
  test('runs that are followed are polled, and told when something has changed', async () => {
    follow();
    await blocked();
    api.set({ chunksDone: 1 });
    await turn(10_000);
    expect(events.store.get().connections.get('r1')).toBe('polling');
    api.set({ status: 'succeeded', chunksDone: 2 });
    await turn(10_000);
    expect(heard()).toEqual(['init processing 0', 'update processing 1', 'done succeeded 2']);
    expect(troubles.map(({ code }) => code)).toEqual(['disconnected', 'stream_blocked']);
  });

  test('polls come less often while nothing changes', async () => {
    follow();
    await blocked();
    const before = api.count('progress');
    await turn(60_000);
    expect(api.count('progress') - before).toBeLessThan(12);
  });

  test('all runs are polled for whom follows them', async () => {
    const all: GlobalFrame[] = [];
    events.subscribeToGlobalEvents((frame) => all.push(frame));
    await blocked();
    await turn(20_000);
    expect(all.map(({ event }) => event)).toEqual(['snapshot']);
    api.set({ runId: 'r2' });
    await turn(30_000);
    expect(all).toMatchObject([{ event: 'snapshot' }, { event: 'snapshot', items: [{}, { runId: 'r2' }] }]);
  });

  test('once it works again nothing is polled, and what was missed comes with its words', async () => {
    follow();
    (await opened()).break(true);
    await blocked();
    api.set({ chunksDone: 2 });
    await turn(10_000);
    const source = FakeEventSource.last;
    expect(source.query.get('lastEventId')).toBe('10');
    source.send(update({ chunksDone: 1 }, [0]), 11);
    source.send(update({ chunksDone: 2 }, [1000]), 12);
    const polls = api.count('progress');
    await turn(30_000);
    expect(api.count('progress')).toBe(polls);
    expect(frames.map(({ chunksDone }) => chunksDone)).toEqual([0, 2, 2, 2]);
    expect(frames.flatMap(({ segments }) => segments?.map(({ index }) => index) ?? [])).toEqual([0, 1000]);
  });

  test('why the server cannot be asked is told once', async () => {
    follow();
    await blocked();
    api.refuses = { status: 401, code: 'unauthorized' };
    await turn(60_000);
    expect(troubles.filter(({ code }) => code === 'unauthorized')).toHaveLength(1);
  });
});

describe('the connection', () => {
  test('is one for all, waits a moment for the next listener, and ends', async () => {
    const leave = [follow(), follow('r2'), events.subscribeToGlobalEvents(() => {})];
    await opened();
    for (const end of leave) end();
    await turn(4_000);
    const end = follow();
    await turn(10_000);
    expect([FakeEventSource.opened.length, FakeEventSource.live.length]).toEqual([1, 1]);
    end();
    await turn(5_000);
    expect(FakeEventSource.live).toEqual([]);
  });

  test('ends with cleanup, and begins again with the next listener', async () => {
    follow();
    await opened();
    events.cleanup();
    expect([FakeEventSource.live.length, events.store.get().connections.size]).toEqual([0, 0]);
    follow();
    await opened();
    expect(FakeEventSource.live).toHaveLength(1);
  });

  test('shows how each run is connected', async () => {
    follow();
    expect([...events.store.get().connections]).toEqual([
      ['r1', 'connecting'],
      ['global', 'connecting'],
    ]);
    await opened();
    expect(events.store.get().connections.get('r1')).toBe('open');
  });

  test('goes on when the token is another of the same owner', async () => {
    follow();
    await opened();
    token = `${jwt('ann')}2`;
    events.tokenChanged();
    await turn();
    expect(FakeEventSource.opened).toHaveLength(1);
  });

  test('begins anew when it is another owner', async () => {
    follow();
    await opened();
    token = jwt('bob');
    api.runs.clear();
    events.tokenChanged();
    await turn();
    expect(events.store.get().globalEvents).toEqual([]);
    await opened([]);
    expect([FakeEventSource.opened.length, FakeEventSource.live.length]).toEqual([2, 1]);
    expect(troubles.map(({ code }) => code)).toEqual(['not_found']);
    expect(api.tokens.at(-1)).toBe(`Bearer ${token}`);
  });

  test('waits for a token', async () => {
    token = '';
    const tokens = vi.fn().mockRejectedValueOnce(new Error('signed out')).mockResolvedValue(jwt('ann'));
    events = new OwnerEvents({ baseUrl: 'https://asr.example', token: tokens });
    follow();
    await turn();
    expect(troubles).toEqual([{ code: 'token_unavailable', message: 'No token could be had: signed out' }]);
    await turn(1_000);
    expect(FakeEventSource.last.url).toMatch(
      /^https:\/\/asr\.example\/api\/runs\/events\?access_token=llt_1/,
    );
  });
});
