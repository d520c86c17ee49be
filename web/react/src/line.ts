import { troubleOf } from './api';
import { backoff } from './backoff';
import type { Trouble } from './frames';

/** `blocked`: several tries in a row failed; it goes on trying. */
export type LineState = 'connecting' | 'open' | 'blocked';

/** In which the first bytes must come. */
const OPEN_MS = 10_000;
/** In which the browser must have come back by itself: a server that stops may ask for a pause of 15 s. */
const RETURN_MS = 25_000;
/** In which something must come; heartbeats come each 15 s. */
const SILENCE_MS = 40_000;
/** Older than this is a heartbeat that should have come while the page slept. */
const STALE_MS = 20_000;
/** A stream that breaks sooner has not worked. */
const STABLE_MS = 5_000;
const FAILURES_UNTIL_BLOCKED = 3;

const DISCONNECTED: Trouble = { code: 'disconnected', message: 'The event stream broke; connecting again.' };
export const BLOCKED: Trouble = {
  code: 'stream_blocked',
  message: 'The event stream does not get through; asking for progress instead, and trying again.',
};

export interface LineOptions {
  /** The stream's address, without a query. */
  url: string;
  ticket(): Promise<string>;
  /** After which frame to go on; null begins anew. */
  lastId(): number | null;
  onText(text: string, id: number | null): void;
  onState(state: LineState, trouble?: Trouble): void;
  /** Each heartbeat. */
  onBeat(): void;
}

/** The stream of an owner's runs, kept open: an EventSource that goes on by id, whatever breaks. */
export class Line {
  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #openedAt = 0;
  #heardAt = 0;
  #alive = false;
  #closed = false;
  #waiting = false;
  #tries = 0;
  readonly #unwatch: () => void;

  constructor(private readonly options: LineOptions) {
    this.#unwatch = watchPage(() => this.#wake());
    void this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#drop();
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#alive = false;
    this.#waiting = false;
    this.#tries += 1; // an answer to a ticket asked for by then is for nobody
  }

  async #connect(): Promise<void> {
    this.#drop();
    const current = this.#tries;
    try {
      const ticket = await this.options.ticket();
      if (current === this.#tries && !this.#closed) this.#open(ticket);
    } catch (error) {
      if (current === this.#tries && !this.#closed) this.#fail(troubleOf(error));
    }
  }

  #open(ticket: string): void {
    const query = new URLSearchParams({ access_token: ticket, heartbeat: '1' });
    const lastId = this.options.lastId();
    if (lastId !== null) query.set('lastEventId', String(lastId));
    const source = new EventSource(`${this.options.url}?${query}`);
    this.#source = source;
    this.#expect(OPEN_MS, FAILURES_UNTIL_BLOCKED); // a proxy that holds back now will do so next time
    let before = '';
    source.onmessage = ({ data, lastEventId }: MessageEvent<string>) => {
      this.#hear();
      // A frame without an id shows that of the one before it.
      this.options.onText(data, lastEventId === before ? null : Number(lastEventId));
      before = lastEventId;
    };
    source.addEventListener('heartbeat', () => {
      this.#hear();
      this.options.onBeat();
    });
    source.onerror = () => this.#break(source);
  }

  #hear(): void {
    this.#heardAt = Date.now();
    if (!this.#alive) {
      this.#alive = true;
      this.#openedAt = this.#heardAt;
      this.options.onState('open');
    } else if (this.#heardAt - this.#openedAt > STABLE_MS) this.#failures = 0;
    this.#expect(SILENCE_MS);
  }

  /** After a cut of a stream that worked, the browser comes back by itself, when the server has told it to. */
  #break(source: EventSource): void {
    const worked = this.#alive && Date.now() - this.#openedAt > STABLE_MS;
    if (!worked || source.readyState === EventSource.CLOSED) {
      this.#fail();
      return;
    }
    this.#alive = false;
    this.#failures = 1;
    this.options.onState('connecting', DISCONNECTED);
    this.#expect(RETURN_MS);
  }

  #fail(cause?: Trouble, failures = this.#failures + 1): void {
    this.#drop();
    this.#failures = Math.max(failures, this.#failures + 1);
    const blocked = this.#failures >= FAILURES_UNTIL_BLOCKED;
    this.options.onState(blocked ? 'blocked' : 'connecting', cause ?? (blocked ? BLOCKED : DISCONNECTED));
    this.#waiting = true;
    this.#timer = setTimeout(() => void this.#connect(), backoff(this.#failures));
  }

  #expect(milliseconds: number, failures?: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(undefined, failures), milliseconds);
  }

  /** The page is looked at, or the network is back: waiting is over, and what went silent unseen is opened again. */
  #wake(): void {
    const stale = this.#alive && Date.now() - this.#heardAt > STALE_MS;
    const returning = this.#source !== null && !this.#alive && this.#failures > 0;
    if (this.#waiting || stale || returning) void this.#connect();
  }
}

function watchPage(onWake: () => void): () => void {
  const onVisible = () => document.visibilityState === 'visible' && onWake();
  document.addEventListener('visibilitychange', onVisible);
  window.addEventListener('online', onWake);
  return () => {
    document.removeEventListener('visibilitychange', onVisible);
    window.removeEventListener('online', onWake);
  };
}
