import { type Api, ApiError, troubleOf } from './api';
import { backoff } from './backoff';
import {
  advance,
  type GlobalFrame,
  isFinal,
  looksSame,
  type RunFrame,
  type RunState,
  type SnapshotFrame,
  type Trouble,
} from './frames';

export type OnRun = (data: RunFrame) => void;
export type OnError = (error: Trouble) => void;

interface Subscription {
  runId: string;
  onData: OnRun;
  onError: OnError | undefined;
  /** As told last; null until the first answer. */
  state: RunState | null;
  /** What came before that answer. */
  waiting: RunFrame[];
}

/** The words of what is dropped are among those that can be fetched after `init`. */
const WAITING = 1_000;
/** Questions that are asked at a time. */
const AT_ONCE = 4;

export interface SubscriptionsOptions {
  api: Api;
  /** A run's state if the stream tells of it. */
  known(runId: string): RunState | undefined;
  /** When the stream works, or will not for now. */
  settled(): Promise<void>;
  onChange(): void;
}

/** Who follows which run: each gets the state first, then every frame, and nothing after `done`. */
export class Subscriptions {
  readonly #all = new Set<Subscription>();

  constructor(private readonly options: SubscriptionsOptions) {}

  get size(): number {
    return this.#all.size;
  }

  get runIds(): string[] {
    return [...new Set([...this.#all].map(({ runId }) => runId))];
  }

  add(runId: string, onData: OnRun, onError?: OnError): () => void {
    const subscription: Subscription = { runId, onData, onError, state: null, waiting: [] };
    this.#all.add(subscription);
    this.options.onChange();
    void this.#begin(subscription);
    return () => this.#end(subscription);
  }

  clear(): void {
    this.#all.clear();
    this.options.onChange();
  }

  /** Begin anew: it may be another owner's stream from here on. */
  restart(): void {
    for (const subscription of this.#all) if (subscription.state) this.#askAgain(subscription);
  }

  onFrame(frame: GlobalFrame): void {
    for (const subscription of [...this.#all]) {
      if (frame.event === 'snapshot') this.#onSnapshot(subscription, frame);
      else if (frame.runId !== subscription.runId) continue;
      else if (subscription.state) this.#deliver(subscription, subscription.state, frame);
      else if (subscription.waiting.push(frame) > WAITING) subscription.waiting.shift();
    }
  }

  onTrouble(trouble: Trouble): void {
    for (const { onError } of [...this.#all]) tell(onError, trouble);
  }

  /** Ask for all runs; return whether something has changed. Throws when the server cannot be asked. */
  async poll(): Promise<boolean> {
    const asked = [...this.#all].filter(({ state }) => state);
    let changed = false;
    while (asked.length) {
      const news = await Promise.all(asked.splice(0, AT_ONCE).map((one) => this.#pollOne(one)));
      changed ||= news.includes(true);
    }
    return changed;
  }

  async #pollOne(subscription: Subscription): Promise<boolean> {
    try {
      const told = await this.options.api.progress(subscription.runId);
      const { state } = subscription;
      if (!state || !this.#all.has(subscription)) return false;
      const now = advance(state, told);
      if (looksSame(state, now)) return false;
      this.#deliver(subscription, state, { event: isFinal(now.status) ? 'done' : 'update', ...now });
      return true;
    } catch (error) {
      if (this.#refused(subscription, error)) return true;
      throw error;
    }
  }

  async #begin(subscription: Subscription): Promise<void> {
    await this.options.settled();
    for (let failures = 1; this.#all.has(subscription) && !subscription.state; failures += 1) {
      try {
        const known = this.options.known(subscription.runId);
        const state = known ?? advance(undefined, await this.options.api.progress(subscription.runId));
        if (this.#all.has(subscription) && !subscription.state) this.#open(subscription, state);
      } catch (error) {
        if (this.#refused(subscription, error)) return;
        tell(subscription.onError, troubleOf(error));
        await new Promise((resolve) => setTimeout(resolve, backoff(failures)));
      }
    }
  }

  #open(subscription: Subscription, state: RunState): void {
    const waiting = subscription.waiting.splice(0);
    subscription.state = state;
    tell(subscription.onData, { event: 'init', ...state });
    const rest: RunFrame[] = isFinal(state.status) ? [{ event: 'done', ...state }] : waiting;
    for (const frame of rest) {
      if (this.#all.has(subscription)) this.#deliver(subscription, subscription.state, frame);
    }
  }

  #onSnapshot(subscription: Subscription, snapshot: SnapshotFrame): void {
    if (!subscription.state) return;
    const now = snapshot.items.find(({ runId }) => runId === subscription.runId);
    if (now) this.#open(subscription, now);
    else this.#askAgain(subscription);
  }

  #askAgain(subscription: Subscription): void {
    subscription.state = null;
    void this.#begin(subscription);
  }

  #deliver(subscription: Subscription, known: RunState, frame: RunFrame): void {
    subscription.state = advance(known, frame);
    if (frame.event === 'done') this.#end(subscription);
    tell(subscription.onData, { ...frame, ...subscription.state });
  }

  /** Whether there is no such run (any more); then the subscription ends. */
  #refused(subscription: Subscription, error: unknown): boolean {
    if (!(error instanceof ApiError) || error.status !== 404) return false;
    if (this.#all.has(subscription)) tell(subscription.onError, troubleOf(error));
    this.#end(subscription);
    return true;
  }

  #end(subscription: Subscription): void {
    if (this.#all.delete(subscription)) this.options.onChange();
  }
}

/** Call back; a fault there is the page's, and no other subscriber's. */
export function tell<What>(callback: ((what: What) => void) | undefined, what: What): void {
  try {
    callback?.(what);
  } catch (error) {
    reportError(error);
  }
}
