import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Api } from './api';
import type { GlobalFrame } from './frames';
import { type ConnectionState, OwnerStream } from './owner_stream';
import { FakeChannel, FakeEventSource, FakeLocks } from './testing/browser';
import { told, update } from './testing/frames';

class TabOfTest {
  frames: GlobalFrame[] = [];
  states: ConnectionState[] = [];
  readonly stream: OwnerStream;

  constructor(group: string | null = 'lingoloop-1') {
    const api = { ticket: async () => 'llt_1' } as unknown as Api;
    this.stream = new OwnerStream({
      baseUrl: '',
      api,
      group,
      onFrame: (frame) => this.frames.push(frame),
      onState: (state) => this.states.push(state),
    });
  }

  /** The words it was told, by index. */
  get words(): number[] {
    return this.frames.flatMap((frame) =>
      frame.event === 'snapshot' ? [] : (frame.segments ?? []).map(({ index }) => index),
    );
  }
}

/** A server with one run, of which each event brings a word of its number. */
class ServerOfTest {
  last = 1;
  serve(): void {
    for (const source of FakeEventSource.live) {
      const from = source.query.get('lastEventId');
      const told = this.#told.get(source) ?? (from === null ? null : Number(from));
      if (told === null) source.send({ event: 'snapshot', items: [this.#state()] }, this.last);
      else
        for (let id = told + 1; id <= this.last; id += 1) source.send(update({ chunksDone: id }, [id]), id);
      if (told === this.last) source.beat();
      this.#told.set(source, this.last);
    }
  }
  #told = new Map<FakeEventSource, number>();
  #state = () => told({ chunksDone: this.last });
}

const turn = (milliseconds = 50) => vi.advanceTimersByTimeAsync(milliseconds);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('EventSource', FakeEventSource);
  vi.stubGlobal('BroadcastChannel', FakeChannel);
  vi.stubGlobal('navigator', { locks: new FakeLocks() });
  FakeEventSource.opened = [];
  FakeChannel.all.clear();
  FakeChannel.delay = () => 1;
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('tabs of one owner', () => {
  test('share one connection', async () => {
    const server = new ServerOfTest();
    const tabs = [new TabOfTest(), new TabOfTest(), new TabOfTest()];
    await turn();
    server.serve();
    server.last = 3;
    server.serve();
    await turn();
    expect(FakeEventSource.opened).toHaveLength(1);
    for (const tab of tabs) expect([tab.words, tab.states.at(-1)]).toEqual([[2, 3], 'open']);
    for (const tab of tabs) tab.stream.close();
  });

  test('of two groups have one each', async () => {
    const tabs = [new TabOfTest('one'), new TabOfTest('two')];
    await turn();
    new ServerOfTest().serve();
    expect(FakeEventSource.live).toHaveLength(2);
    for (const tab of tabs) tab.stream.close();
  });

  test('that cannot share have one each', async () => {
    const tabs = [new TabOfTest(null), new TabOfTest(null)];
    await turn();
    expect(FakeEventSource.live).toHaveLength(2);
    for (const tab of tabs) tab.stream.close();
  });

  test('where locks are refused have one each', async () => {
    vi.stubGlobal('navigator', {
      locks: { request: () => Promise.reject(new DOMException('no', 'SecurityError')) },
    });
    const tab = new TabOfTest();
    await turn();
    expect(FakeEventSource.live).toHaveLength(1);
    tab.stream.close();
  });

  test('a late one is told the state by the one that leads', async () => {
    const server = new ServerOfTest();
    const first = new TabOfTest();
    await turn();
    server.serve();
    server.last = 5;
    server.serve();
    const late = new TabOfTest();
    await turn();
    expect(late.frames).toMatchObject([{ event: 'snapshot', items: [{ chunksDone: 5 }] }]);
    expect(late.stream.run('r1')?.chunksDone).toBe(5);
    first.stream.close();
    late.stream.close();
  });

  test('one that missed frames is told them again', async () => {
    const server = new ServerOfTest();
    const [first, second] = [new TabOfTest(), new TabOfTest()];
    await turn();
    server.serve();
    await turn();
    const deaf = [...FakeChannel.all].at(-1) as FakeChannel;
    const { onmessage } = deaf;
    deaf.onmessage = null;
    server.last = 4;
    server.serve();
    await turn(2_000);
    deaf.onmessage = onmessage;
    server.last = 5;
    server.serve();
    await turn();
    expect(second.words).toEqual([2, 3, 4, 5]);
    first.stream.close();
    second.stream.close();
  });

  test('a snapshot of the one that led before, which comes late, takes nobody back', async () => {
    const server = new ServerOfTest();
    const [first, second, third] = [new TabOfTest(), new TabOfTest(), new TabOfTest()];
    await turn();
    const slow = [...FakeChannel.all].at(-1) as FakeChannel;
    const { onmessage } = slow;
    const late: MessageEvent[] = [];
    slow.onmessage = (event) => late.push(event);
    server.serve();
    await turn();
    slow.onmessage = onmessage;
    first.stream.close();
    await turn(1_000);
    server.last = 3;
    server.serve();
    await turn(2_000);
    expect(third.frames.at(-1)).toMatchObject({ event: 'snapshot', items: [{ chunksDone: 3 }] });
    for (const event of late) onmessage?.(event);
    server.last = 4;
    server.serve();
    await turn(2_000);
    expect(third.words).toEqual([4]);
    second.stream.close();
    third.stream.close();
  });

  test('when the one that leads says nothing for a minute, ask the server themselves', async () => {
    vi.stubGlobal('navigator', { locks: { request: () => new Promise(() => {}) } });
    const tab = new TabOfTest();
    await turn(61_000);
    expect(tab.states).toEqual(['polling']);
    tab.stream.close();
  });
});

test.each(Array.from({ length: 40 }, (_, seed) => seed + 1))(
  'whichever tabs close and open, a tab that stays is told each word once, in order (seed %i)',
  async (seed) => {
    const random = randomFrom(seed);
    FakeChannel.delay = () => Math.floor(random() * 40);
    const server = new ServerOfTest();
    const others = [new TabOfTest()];
    const stays = new TabOfTest();
    await turn();
    server.serve();
    await turn();
    const first = server.last;
    for (let step = 0; step < 60; step += 1) {
      const what = random();
      if (what < 0.5) server.last += 1;
      else if (what < 0.6) others.shift()?.stream.close();
      else if (what < 0.7 && others.length < 4) others.push(new TabOfTest());
      else if (what < 0.75) FakeEventSource.live.at(-1)?.break(true);
      if (random() < 0.7) server.serve();
      await turn(Math.floor(random() * 60));
    }
    for (let settle = 0; settle < 20; settle += 1) {
      await turn(5_000);
      server.serve();
    }
    await turn(5_000);
    const expected = Array.from({ length: server.last - first }, (_, index) => first + 1 + index);
    expect(stays.words).toEqual(expected);
    expect(FakeEventSource.live).toHaveLength(1);
    for (const tab of [...others, stays]) tab.stream.close();
  },
);

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
