import { type Api, createApi, troubleOf } from './api';
import { backoff } from './backoff';
import { advance, type GlobalFrame, type RunProgress, type Trouble } from './frames';
import { Globals, type OnGlobal } from './globals';
import { groupName, ownerOf } from './identity';
import { type ConnectionState, OwnerStream } from './owner_stream';
import { startPolling } from './polling';
import { createStore } from './store';
import { type OnError, type OnRun, Subscriptions } from './subscriptions';

export interface EventState {
  /** How each run that is followed is connected; `global` is the stream itself. */
  connections: ReadonlyMap<string, ConnectionState>;
  /** The newest frames of all runs, without their words. */
  globalEvents: readonly GlobalFrame[];
}

export interface OwnerEventsOptions {
  /** Where the server is, without a slash at the end; '' is the page's own origin. */
  baseUrl: string;
  token(): string | Promise<string>;
}

const NOTHING: EventState = { connections: new Map(), globalEvents: [] };
/** In which the stream tells what is under way; after that the server is asked. */
const SETTLE_MS = 3_000;
/** So long the connection waits for another listener: pages change. */
const LINGER_MS = 5_000;

/** All that a page hears of its owner's runs: one connection, while somebody listens. */
export class OwnerEvents {
  readonly store = createStore<EventState>(NOTHING);
  readonly #api: Api;
  readonly #runs: Subscriptions;
  readonly #globals = new Globals();
  readonly #settling = new Set<() => void>();
  #session: AbortController | null = null;
  #stream: OwnerStream | null = null;
  #state: ConnectionState = 'connecting';
  #trouble: string | null = null;
  #owner: string | null = null;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #stopPolling: (() => void) | null = null;

  constructor(private readonly options: OwnerEventsOptions) {
    this.#api = createApi(options.baseUrl, () => this.#token());
    this.#runs = new Subscriptions({
      api: this.#api,
      known: (runId) => this.#stream?.run(runId),
      settled: () => this.#settled(),
      onChange: () => this.#listenersChanged(),
    });
  }

  subscribeToRun = (runId: string, onData: OnRun, onError?: OnError): (() => void) =>
    this.#runs.add(runId, onData, onError);

  subscribeToGlobalEvents = (onData: OnGlobal, onError?: OnError): (() => void) => {
    const end = this.#globals.add(onData, onError, () => (this.#stream?.synced ? this.#stream.items : null));
    this.#listenersChanged();
    return () => {
      end();
      this.#listenersChanged();
    };
  };

  pollRunProgress = (runId: string): Promise<RunProgress> => this.#api.progress(runId);

  /** Look whether the token is another owner's now; then all begins anew. */
  tokenChanged = (): void => {
    if (this.#session) this.#token().catch(() => {}); // whoever needs it next says what is wrong
  };

  /** End all subscriptions, and the connection. */
  cleanup = (): void => {
    clearTimeout(this.#linger);
    this.#globals.clear();
    this.#runs.clear();
    this.#stop();
    this.store.set(NOTHING);
  };

  #listenersChanged(): void {
    clearTimeout(this.#linger);
    const listened = this.#runs.size > 0 || this.#globals.size > 0;
    if (listened && !this.#session) void this.#start();
    if (!listened && this.#session) this.#linger = setTimeout(() => this.#stop(), LINGER_MS);
    this.#show();
  }

  async #start(): Promise<void> {
    const session = new AbortController();
    this.#session = session;
    for (let failures = 1; !session.signal.aborted; failures += 1) {
      try {
        const group = await groupName(this.options.baseUrl, await this.#token());
        return session.signal.aborted ? undefined : this.#open(group);
      } catch (error) {
        this.#onState('connecting', troubleOf(error));
        await new Promise((resolve) => setTimeout(resolve, backoff(failures)));
      }
    }
  }

  #open(group: string | null): void {
    this.#stream = new OwnerStream({
      baseUrl: this.options.baseUrl,
      api: this.#api,
      group,
      onFrame: (frame) => this.#onFrame(frame),
      onState: (state, trouble) => this.#onState(state, trouble),
    });
  }

  #stop(): void {
    this.#session?.abort();
    this.#session = null;
    this.#stream?.close();
    this.#stream = null;
    this.#owner = null;
    this.#trouble = null;
    this.#state = 'connecting';
    this.#mindPolling();
    this.#show();
  }

  async #token(): Promise<string> {
    const token = await this.options.token();
    const owner = ownerOf(token) ?? token;
    const another = this.#session !== null && this.#owner !== null && this.#owner !== owner;
    if (another) this.#stop();
    this.#owner = owner;
    if (another) {
      this.#globals.forget();
      this.#runs.restart();
      this.#listenersChanged();
    }
    return token;
  }

  #onFrame(frame: GlobalFrame): void {
    this.#globals.onFrame(frame);
    this.#runs.onFrame(frame);
    this.#show();
    this.#settle();
  }

  #onState(state: ConnectionState, trouble?: Trouble): void {
    this.#state = state;
    if (state === 'open') this.#trouble = null;
    if (trouble) this.#tellTrouble(trouble);
    this.#mindPolling();
    this.#show();
    this.#settle();
  }

  /** Each trouble is told once, until the stream works again. */
  #tellTrouble(trouble: Trouble): void {
    if (trouble.code === this.#trouble) return;
    this.#trouble = trouble.code;
    this.#runs.onTrouble(trouble);
    this.#globals.onTrouble(trouble);
  }

  #mindPolling(): void {
    if (this.#state === 'polling') this.#stopPolling ??= startPolling(() => this.#poll());
    else {
      this.#stopPolling?.();
      this.#stopPolling = null;
    }
  }

  async #poll(): Promise<boolean> {
    try {
      const news = await this.#runs.poll();
      if (this.#globals.size === 0) return news;
      const items = (await this.#api.openRuns()).map((told) => advance(undefined, told));
      return this.#globals.onPolled({ event: 'snapshot', items }) || news;
    } catch (error) {
      this.#tellTrouble(troubleOf(error));
      throw error;
    }
  }

  get #isSettled(): boolean {
    return this.#stream?.synced === true || this.#state === 'polling';
  }

  #settled(): Promise<void> {
    if (this.#isSettled) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settling.add(resolve);
      setTimeout(() => {
        this.#settling.delete(resolve);
        resolve();
      }, SETTLE_MS);
    });
  }

  #settle(): void {
    if (!this.#isSettled) return;
    for (const resolve of this.#settling) resolve();
    this.#settling.clear();
  }

  #show(): void {
    const before = this.store.get();
    const connections = new Map(this.#runs.runIds.map((runId) => [runId, this.#state]));
    if (this.#session) connections.set('global', this.#state);
    const same =
      before.connections.size === connections.size &&
      [...connections].every(([key, state]) => before.connections.get(key) === state);
    if (same && before.globalEvents === this.#globals.recent) return;
    this.store.set({
      connections: same ? before.connections : connections,
      globalEvents: this.#globals.recent,
    });
  }
}
