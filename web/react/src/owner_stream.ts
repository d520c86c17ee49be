import type { Api } from './api';
import type { GlobalFrame, RunState, Trouble } from './frames';
import { BLOCKED, Line, type LineState } from './line';
import { judge } from './order';
import { Recent } from './recent';
import { type ErrorFrame, Runs, type ToldFrame } from './runs';
import { joinTabs, type TabMessage, type Tabs, type Told } from './tabs';

/** `polling`: the stream does not get through, and progress is asked for instead. */
export type ConnectionState = 'connecting' | 'open' | 'polling';

const PATH = '/api/runs/events';
/** After which a tab that leads and says nothing is taken for stuck; it says something each 15 s. */
const LEADER_SILENCE_MS = 60_000;
/** Between two questions for what is missing. */
const ASK_MS = 1_000;

export interface OwnerStreamOptions {
  baseUrl: string;
  api: Api;
  /** The tabs' name; null: this tab shares with nobody. */
  group: string | null;
  onFrame(frame: GlobalFrame): void;
  onState(state: ConnectionState, trouble?: Trouble): void;
}

/** All runs of an owner as they change: from the server in the tab that leads, from that tab in the others. */
export class OwnerStream {
  #lastId: number | null = null;
  #state: ConnectionState = 'connecting';
  #line: Line | null = null;
  #askedAt = 0;
  #asks = false;
  /** Of the tab that leads, as far as is known here. */
  #term = 0;
  #silence: ReturnType<typeof setTimeout> | undefined;
  readonly #runs = new Runs();
  readonly #recent = new Recent();
  #tabs: Tabs | null = null;

  constructor(private readonly options: OwnerStreamOptions) {
    this.#tabs = joinTabs(
      options.group,
      (message) => this.#onTab(message),
      () => this.#lead(),
    );
    document.addEventListener('visibilitychange', this.#onVisible);
    this.#ask();
  }

  close(): void {
    document.removeEventListener('visibilitychange', this.#onVisible);
    clearTimeout(this.#silence);
    this.#line?.close();
    this.#tabs?.leave();
  }

  /** Whether all runs that are under way are known, as the stream goes on from there. */
  get synced(): boolean {
    return this.#lastId !== null && this.#state !== 'polling';
  }

  get items(): RunState[] {
    return this.#runs.items;
  }

  run(runId: string): RunState | undefined {
    return this.synced ? this.#runs.get(runId) : undefined;
  }

  #onVisible = () => {
    if (document.visibilityState === 'visible') this.#ask();
  };

  #lead(): void {
    clearTimeout(this.#silence);
    this.#asks = false;
    this.#term = Math.max(this.#term + 1, Date.now());
    this.#tell({ type: 'connection', state: this.#state });
    this.#line = new Line({
      url: this.options.baseUrl + PATH,
      ticket: () => this.options.api.ticket(PATH),
      lastId: () => this.#lastId,
      onText: (text, id) => this.#onText(text, id),
      onState: (state, trouble) => this.#onLine(state, trouble),
      onBeat: () => this.#tell({ type: 'connection', state: this.#state }),
    });
  }

  #onLine(line: LineState, trouble?: Trouble): void {
    this.#become(line === 'blocked' ? 'polling' : line, trouble);
    this.#tell({ type: 'connection', state: this.#state });
  }

  #onText(text: string, id: number | null): void {
    const frame: ToldFrame | ErrorFrame = JSON.parse(text);
    if (frame.event === 'error')
      this.options.onState(this.#state, { code: frame.code, message: frame.message });
    else if (frame.event === 'snapshot' || judge(this.#lastId, id) !== 'drop') {
      this.#take(frame, id, text);
      this.#tell({ type: 'frame', id, text });
    }
  }

  #take(frame: ToldFrame, id: number | null, text: string): void {
    if (id !== null) this.#lastId = id;
    if (frame.event === 'snapshot') this.#recent.clear();
    else if (id !== null) this.#recent.add({ id, text });
    this.options.onFrame(this.#runs.apply(frame));
  }

  #onTab(message: TabMessage): void {
    if (message.type === 'ask') {
      this.#answer(message.after);
      return;
    }
    // What the tab that led before said comes late: what it knew of the whole is old, only its numbered frames count.
    const late = message.term < this.#term;
    this.#term = Math.max(this.#term, message.term);
    if (this.#line === null) this.#expectLeader();
    if (message.type === 'frame') this.#onPassed(message.text, message.id, late);
    else if (message.type === 'missed')
      for (const { id, text } of message.frames) this.#onPassed(text, id, late);
    else if (late) return;
    else if (message.type === 'state') this.#onWhole(message.id, message.items);
    else if (this.#line === null) this.#onConnection(message.state);
  }

  #onPassed(text: string, id: number | null, late: boolean): void {
    const frame: ToldFrame = JSON.parse(text);
    if (late && (frame.event === 'snapshot' || id === null)) return;
    const verdict = frame.event === 'snapshot' ? 'take' : judge(this.#lastId, id);
    if (verdict === 'take') this.#take(frame, id, text);
    if (verdict === 'ask') this.#ask();
  }

  /** Only who asked takes it: to others, frames that it covers may be under way. */
  #onWhole(id: number, items: RunState[]): void {
    if (!this.#asks || id === this.#lastId) return;
    this.#take({ event: 'snapshot', items }, id, '');
  }

  #onConnection(state: ConnectionState): void {
    if (this.#lastId === null) this.#ask();
    else this.#asks = false;
    this.#become(state);
  }

  #ask(): void {
    if (this.#line !== null || Date.now() - this.#askedAt < ASK_MS) return;
    this.#askedAt = Date.now();
    this.#asks = true;
    this.#expectLeader();
    this.#tabs?.post({ type: 'ask', after: this.#lastId });
  }

  #answer(after: number | null): void {
    if (this.#line === null) return;
    if (this.#lastId !== null && after !== this.#lastId) {
      const frames = after === null ? null : this.#recent.after(after);
      this.#tell(
        frames ? { type: 'missed', frames } : { type: 'state', id: this.#lastId, items: this.items },
      );
    }
    this.#tell({ type: 'connection', state: this.#state });
  }

  #tell(told: Told): void {
    this.#tabs?.post({ ...told, term: this.#term });
  }

  #expectLeader(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#become('polling', BLOCKED), LEADER_SILENCE_MS);
  }

  #become(state: ConnectionState, trouble?: Trouble): void {
    this.#state = state;
    this.options.onState(state, trouble);
  }
}
