import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../api/problem';
import { createQueue, type Happenings, MOST } from './queue';
import type { Source, Upload } from './upload';

const file = (name: string, size = 1000, lastModified = 1) => ({ name, size, lastModified }) as File;
const source = (name: string): Source => ({ kind: 'file', file: file(name), onDisk: true });
const fault = (status: number) => new ApiError(status, { code: 'x', detail: '' });

function world() {
  const sent: { upload: Upload; stop: AbortSignal; happenings: Happenings }[] = [];
  const parts = {
    send: (upload: Upload, stop: AbortSignal, happenings: Happenings) =>
      void sent.push({ upload, stop, happenings }),
    drop: vi.fn(),
    keep: vi.fn(),
    forget: vi.fn(),
    refusal: vi.fn((): Error | null => null),
    begun: vi.fn(),
  };
  const queue = createQueue(parts);
  const states = () => queue.get().map(({ state }) => state);
  const at = (index: number) => sent[index] as (typeof sent)[number];
  const id = (index: number) => queue.get()[index]?.id ?? '';
  return { queue, parts, sent, states, at, id };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the queue', () => {
  it('sends three at a time, the rest in turn', () => {
    const { queue, states, at } = world();
    queue.add(['a', 'b', 'c', 'd', 'e'].map(source), {});
    expect(states()).toEqual(['sending', 'sending', 'sending', 'waiting', 'waiting']);
    at(1).happenings.done({ runId: 'r', reused: false });
    expect(states()).toEqual(['sending', 'done', 'sending', 'sending', 'waiting']);
  });

  it('lets another have the place of one that is paused, which later waits for its turn', () => {
    const { queue, states, at, id } = world();
    queue.add(['a', 'b', 'c', 'd'].map(source), {});
    queue.pause(id(0));
    expect(at(0).stop.aborted).toBe(true);
    expect(states()).toEqual(['paused', 'sending', 'sending', 'sending']);
    queue.resume(id(0));
    expect(states()[0]).toBe('waiting');
    queue.pause(id(1));
    expect(states()).toEqual(['sending', 'paused', 'sending', 'sending']);
  });

  it('goes on where it was, and keeps what a reload needs', () => {
    const { queue, parts, sent, at, id } = world();
    queue.add([source('a')], { language: 'en' });
    at(0).happenings.located('/api/uploads/1');
    at(0).happenings.arrived(400);
    expect(parts.keep).toHaveBeenLastCalledWith(
      expect.objectContaining({ address: '/api/uploads/1', sent: 400 }),
    );
    queue.pause(id(0));
    queue.resume(id(0));
    expect(sent[1]?.upload).toMatchObject({
      address: '/api/uploads/1',
      sent: 400,
      fields: { language: 'en' },
    });
  });

  it('keeps nothing of what was recorded: a reload loses its bytes', () => {
    const { queue, parts, at } = world();
    queue.add([{ kind: 'file', file: file('a'), onDisk: false }], {});
    at(0).happenings.located('/api/uploads/1');
    expect(parts.keep).not.toHaveBeenCalled();
  });

  it('tells of the run, and leaves that alone when the row is removed', () => {
    const { queue, parts, at, id } = world();
    queue.add([source('a')], {});
    at(0).happenings.located('/api/uploads/1');
    at(0).happenings.done({ runId: 'r', reused: true });
    expect(queue.get()[0]).toMatchObject({ state: 'done', runId: 'r', reused: true });
    expect(parts.begun).toHaveBeenCalledOnce();
    queue.remove(id(0));
    expect(parts.drop).not.toHaveBeenCalled();
    expect(parts.forget).toHaveBeenCalled();
  });

  it('lets the server drop what is cancelled', () => {
    const { queue, parts, at, id } = world();
    queue.add([source('a')], {});
    at(0).happenings.located('/api/uploads/1');
    queue.remove(id(0));
    expect(at(0).stop.aborted).toBe(true);
    expect(parts.drop).toHaveBeenCalledWith('/api/uploads/1');
    expect(queue.get()).toEqual([]);
  });

  it('tells of a file that need not be sent, and sends the others', () => {
    const { queue, parts, sent, states } = world();
    parts.refusal.mockReturnValueOnce(fault(413));
    queue.add(['a', 'b'].map(source), {});
    expect(states()).toEqual(['failed', 'sending']);
    expect(sent.map(({ upload }) => upload.name)).toEqual(['b']);
  });

  it('takes no more than it can show', () => {
    const { queue } = world();
    expect(
      queue.add(
        Array.from({ length: MOST + 2 }, (_, index) => source(`${index}`)),
        {},
      ),
    ).toBe(2);
    expect(queue.get()).toHaveLength(MOST);
  });
});

describe('a failure', () => {
  it('is followed by another try, which counts anew once bytes have come', () => {
    const { queue, sent, states, at } = world();
    queue.add([source('a')], {});
    for (const tries of [1, 2, 3]) {
      at(tries - 1).happenings.failed(fault(0));
      expect(states()).toEqual(['delayed']);
      vi.runOnlyPendingTimers();
      expect(sent).toHaveLength(tries + 1);
    }
    at(3).happenings.arrived(10);
    at(3).happenings.failed(fault(0));
    vi.advanceTimersByTime(1000);
    expect(sent).toHaveLength(5);
  });

  it('that lasts is told in the end, and a person may try again', () => {
    const { queue, sent, states, id } = world();
    queue.add([source('a')], {});
    while (states()[0] !== 'failed') {
      sent.at(-1)?.happenings.failed(fault(503));
      vi.runOnlyPendingTimers();
    }
    expect(sent).toHaveLength(17);
    queue.resume(id(0));
    expect(states()).toEqual(['sending']);
  });

  it('that cannot pass is told at once, and the next has its place', () => {
    const { queue, states, at } = world();
    queue.add(['a', 'b', 'c', 'd'].map(source), {});
    at(0).happenings.failed(fault(422));
    expect(states()).toEqual(['failed', 'sending', 'sending', 'sending']);
  });

  it('of an upload that the server has dropped begins it anew, as another request', () => {
    const { queue, sent, at } = world();
    queue.add([source('a')], {});
    at(0).happenings.located('/api/uploads/1');
    at(0).happenings.failed(fault(410));
    vi.runOnlyPendingTimers();
    expect(sent[1]?.upload).toMatchObject({ address: null, sent: 0 });
    expect(sent[1]?.upload.key).not.toBe(sent[0]?.upload.key);
  });

  it('is not waited for any longer when the line is back', () => {
    const { queue, states, at } = world();
    queue.add([source('a')], {});
    at(0).happenings.failed(fault(0));
    queue.wake();
    expect(states()).toEqual(['sending']);
  });
});

describe('an upload of an earlier page', () => {
  const earlier = () => {
    const first = world();
    first.queue.add([source('a')], { language: 'en' });
    first.at(0).happenings.located('/api/uploads/1');
    return { ...(first.queue.get()[0] as Upload), state: 'missing', source: null } as Upload;
  };

  it('waits for its file, and takes no other', () => {
    const { queue, sent, states, id } = world();
    queue.offer([earlier()]);
    expect(queue.choose(id(0), file('b'))).toBe(false);
    expect(queue.choose(id(0), file('a', 999))).toBe(false);
    expect(queue.choose(id(0), file('a', 1000, 2))).toBe(false);
    expect(states()).toEqual(['missing']);
    expect(queue.choose(id(0), file('a'))).toBe(true);
    expect(sent[0]?.upload).toMatchObject({ address: '/api/uploads/1', fields: { language: 'en' } });
  });

  it('goes on when its file is simply added again', () => {
    const { queue, sent } = world();
    queue.offer([earlier()]);
    queue.add([source('a')], {});
    expect(queue.get()).toHaveLength(1);
    expect(sent[0]?.upload.address).toBe('/api/uploads/1');
  });

  it('is left to another page that took it over', () => {
    const { queue, id } = world();
    queue.offer([earlier()]);
    queue.leave(id(0));
    expect(queue.get()).toEqual([]);
  });
});

it('transcribes again what was there already, as another request', () => {
  const { queue, sent, at, id } = world();
  queue.add([source('a')], {});
  at(0).happenings.done({ runId: 'r', reused: true });
  queue.again(id(0));
  expect(sent[1]?.upload).toMatchObject({ source: { kind: 'again', runId: 'r' }, size: null });
  expect(sent[1]?.upload.key).not.toBe(sent[0]?.upload.key);
});
