import type { GlobalFrame, RunState, SnapshotFrame, Trouble } from './frames';
import { type OnError, tell } from './subscriptions';

export type OnGlobal = (data: GlobalFrame) => void;

interface Subscription {
  onData: OnGlobal;
  onError: OnError | undefined;
}

/** Frames that are remembered for whoever looks later. */
const RECENT = 100;

/** Who follows all runs, and what they were told last. */
export class Globals {
  #recent: readonly GlobalFrame[] = [];
  #polled = '';
  readonly #all = new Set<Subscription>();

  get size(): number {
    return this.#all.size;
  }

  /** The newest frames, the last one last; without their words, which may be many. */
  get recent(): readonly GlobalFrame[] {
    return this.#recent;
  }

  /** `now` tells what is under way, if that is known. */
  add(onData: OnGlobal, onError: OnError | undefined, now: () => RunState[] | null): () => void {
    const subscription = { onData, onError };
    this.#all.add(subscription);
    queueMicrotask(() => {
      const items = this.#all.has(subscription) && now();
      if (items) tell(onData, { event: 'snapshot', items });
    });
    return () => this.#all.delete(subscription);
  }

  clear(): void {
    this.#all.clear();
    this.forget();
  }

  forget(): void {
    this.#recent = [];
    this.#polled = '';
  }

  onFrame(frame: GlobalFrame): void {
    this.#recent = [...this.#recent, lean(frame)].slice(-RECENT);
    for (const { onData } of [...this.#all]) tell(onData, frame);
  }

  /** Take what is under way, as asked for; return whether it is new. */
  onPolled(snapshot: SnapshotFrame): boolean {
    // Time goes on without news.
    const looks = JSON.stringify(snapshot.items.map((state) => ({ ...state, timeElapsed: 0 })));
    if (looks === this.#polled) return false;
    this.#polled = looks;
    this.onFrame(snapshot);
    return true;
  }

  onTrouble(trouble: Trouble): void {
    for (const { onError } of [...this.#all]) tell(onError, trouble);
  }
}

function lean(frame: GlobalFrame): GlobalFrame {
  if (frame.event === 'snapshot') return frame;
  const { segments: _, ...rest } = frame;
  return rest;
}
