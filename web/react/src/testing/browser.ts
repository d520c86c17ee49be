/** What tabs share, and streams, as a test holds them in its hand. */

type Listener = (event: MessageEvent) => void;

/** An EventSource whose server is the test. */
export class FakeEventSource {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 2;
  static opened: FakeEventSource[] = [];
  readyState = FakeEventSource.CONNECTING;
  onmessage: Listener | null = null;
  onerror: (() => void) | null = null;
  #named = new Map<string, Listener>();
  #lastEventId = '';

  constructor(readonly url: string) {
    FakeEventSource.opened.push(this);
  }

  static get live(): FakeEventSource[] {
    return FakeEventSource.opened.filter(({ readyState }) => readyState !== FakeEventSource.CLOSED);
  }

  static get last(): FakeEventSource {
    return FakeEventSource.opened.at(-1) as FakeEventSource;
  }

  get query(): URLSearchParams {
    return new URL(this.url, 'http://here').searchParams;
  }

  addEventListener(name: string, listener: Listener): void {
    this.#named.set(name, listener);
  }

  /** Send a frame; without an id, the browser shows that of the one before. */
  send(frame: object, id?: number): void {
    if (this.readyState === FakeEventSource.CLOSED) return;
    this.readyState = FakeEventSource.OPEN;
    if (id !== undefined) this.#lastEventId = String(id);
    this.onmessage?.({ data: JSON.stringify(frame), lastEventId: this.#lastEventId } as MessageEvent);
  }

  beat(): void {
    this.readyState = FakeEventSource.OPEN;
    this.#named.get('heartbeat')?.({} as MessageEvent);
  }

  /** Break; the browser comes back by itself unless it was refused. */
  break(refused = false): void {
    this.readyState = refused ? FakeEventSource.CLOSED : FakeEventSource.CONNECTING;
    this.onerror?.();
  }

  close(): void {
    this.readyState = FakeEventSource.CLOSED;
  }
}

/** Locks of one origin, granted in order. */
export class FakeLocks {
  #queues = new Map<string, Promise<unknown>>();

  request(name: string, { signal }: { signal: AbortSignal }, callback: () => unknown): Promise<unknown> {
    const turn = (this.#queues.get(name) ?? Promise.resolve()).then(() =>
      signal.aborted ? undefined : callback(),
    );
    this.#queues.set(
      name,
      turn.catch(() => {}),
    );
    return turn;
  }
}

/** Channels of one origin; messages arrive after a while, at each receiver those of one sender in order. */
export class FakeChannel {
  static all = new Set<FakeChannel>();
  static delay = () => 0;
  onmessage: Listener | null = null;
  #arrivals = new Map<FakeChannel, number>();

  constructor(readonly name: string) {
    FakeChannel.all.add(this);
  }

  postMessage(data: unknown): void {
    const message = { data: structuredClone(data) } as MessageEvent;
    for (const other of FakeChannel.all) {
      if (other === this || other.name !== this.name) continue;
      const at = Math.max(this.#arrivals.get(other) ?? 0, Date.now() + FakeChannel.delay());
      this.#arrivals.set(other, at);
      setTimeout(() => FakeChannel.all.has(other) && other.onmessage?.(message), at - Date.now());
    }
  }

  close(): void {
    FakeChannel.all.delete(this);
  }
}
