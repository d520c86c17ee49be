import {
  advance,
  type GlobalFrame,
  type RunFrame,
  type RunState,
  type Segment,
  type ToldState,
  type Trouble,
} from './frames';

/** A frame of the owner's stream as it comes over the line. */
export type ToldFrame =
  | { event: 'snapshot'; items: ToldState[] }
  | (ToldState & { event: 'update' | 'done'; segments?: Segment[] });

/** Trouble with the stream itself; it ends after it. */
export type ErrorFrame = Trouble & { event: 'error' };

/** Runs that are remembered; of any other the server is asked. */
const LIMIT = 1_000;

/** The runs that are under way, as the stream tells of them. */
export class Runs {
  #open = new Map<string, RunState>();

  get(runId: string): RunState | undefined {
    return this.#open.get(runId);
  }

  get items(): RunState[] {
    return [...this.#open.values()];
  }

  /** Take a frame in; return it with all that is known. */
  apply(frame: ToldFrame): GlobalFrame {
    if (frame.event !== 'snapshot') return this.#applyOne(frame);
    this.#open = new Map(frame.items.slice(0, LIMIT).map((told) => [told.runId, advance(undefined, told)]));
    return { event: 'snapshot', items: this.items };
  }

  #applyOne(frame: Exclude<ToldFrame, { event: 'snapshot' }>): RunFrame {
    const state = advance(this.#open.get(frame.runId), frame);
    if (frame.event === 'done') this.#open.delete(frame.runId);
    else this.#remember(state);
    const { event, segments } = frame;
    return segments ? { event, ...state, segments } : { event, ...state };
  }

  #remember(state: RunState): void {
    this.#open.set(state.runId, state);
    const oldest = this.#open.keys().next();
    if (this.#open.size > LIMIT && !oldest.done) this.#open.delete(oldest.value);
  }
}
