import { useSyncExternalStore } from 'react';

/** Speeds that can be chosen. */
export const SPEEDS: readonly number[] = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];

/** What a player shows; the position is told apart, for it changes with each frame of the screen. */
export type PlaybackState = { playing: boolean; speed: number; duration: number | null; broken: boolean };

/** A ticket may have ended; two errors that are closer than these milliseconds have another reason. */
const GIVE_UP_MS = 10_000;

/** Plays a recording, and tells where it is. One for a page. */
export class Playback {
  #audio: HTMLAudioElement | null = null;
  #state: PlaybackState = { playing: false, speed: 1, duration: null, broken: false };
  #changed = new Set<() => void>();
  #moved = new Set<(seconds: number, jumped: boolean) => void>();
  #frame = 0;
  #failedAt = Number.NEGATIVE_INFINITY;

  /** `address` gives one that may be opened; it is asked again when the last one has ended. */
  constructor(private readonly address: () => Promise<string>) {}

  /** Take an audio element, until the function that is returned is called. */
  attach = (audio: HTMLAudioElement): (() => void) => {
    this.#audio = audio;
    const gone = new AbortController();
    const on = (event: string, listener: () => void) =>
      audio.addEventListener(event, listener, { signal: gone.signal });
    on('play', () => this.#set({ playing: true }));
    on('pause', () => this.#set({ playing: false }));
    on('durationchange', () =>
      this.#set({ duration: Number.isFinite(audio.duration) ? audio.duration : null }),
    );
    on('loadeddata', () => this.#set({ broken: false }));
    on('seeking', () => this.#tell(true));
    on('error', () => this.#mend());
    this.#load();
    return () => {
      gone.abort();
      cancelAnimationFrame(this.#frame);
      audio.removeAttribute('src');
      audio.load(); // Ends the request.
      this.#audio = null;
    };
  };

  get state(): PlaybackState {
    return this.#state;
  }

  /** Seconds. */
  get time(): number {
    return this.#audio?.currentTime ?? 0;
  }

  onChange = (listener: () => void): (() => void) => listening(this.#changed, listener);

  /** Be told the position while it plays, with each frame of the screen; `jumped`: somebody moved it. */
  onMove = (listener: (seconds: number, jumped: boolean) => void): (() => void) =>
    listening(this.#moved, listener);

  toggle(): void {
    if (this.#state.playing) this.#audio?.pause();
    else this.#play();
  }

  playFrom(seconds: number): void {
    this.seek(seconds);
    this.#play();
  }

  seek(seconds: number): void {
    const audio = this.#audio;
    if (!audio) return;
    audio.currentTime = Math.max(0, Math.min(seconds, this.#state.duration ?? seconds));
    // Before there is anything to seek in, the element only notes it.
    if (audio.readyState === HTMLMediaElement.HAVE_NOTHING) this.#tell(true);
  }

  step(seconds: number): void {
    this.seek(this.time + seconds);
  }

  setSpeed(speed: number): void {
    if (this.#audio) this.#audio.playbackRate = speed;
    this.#set({ speed });
  }

  /** The next speed up or down. */
  shift(by: 1 | -1): void {
    const place = SPEEDS.indexOf(this.#state.speed) + by;
    const speed = SPEEDS[place];
    if (speed) this.setSpeed(speed);
  }

  #play(): void {
    // What keeps it from playing is told by `error`; a pause right after is none.
    this.#audio?.play().catch(() => undefined);
  }

  async #load(): Promise<void> {
    const audio = this.#audio;
    try {
      const address = await this.address();
      if (!audio || audio !== this.#audio) return;
      const [at, playing] = [audio.currentTime, this.#state.playing];
      audio.src = address;
      audio.playbackRate = this.#state.speed;
      audio.currentTime = at;
      if (playing) this.#play();
    } catch {
      this.#set({ broken: true });
    }
  }

  #mend(): void {
    const now = performance.now();
    const soon = now - this.#failedAt < GIVE_UP_MS;
    this.#failedAt = now;
    if (soon) this.#set({ broken: true, playing: false });
    else this.#load();
  }

  #set(part: Partial<PlaybackState>): void {
    this.#state = { ...this.#state, ...part };
    for (const listener of this.#changed) listener();
    cancelAnimationFrame(this.#frame);
    if (this.#state.playing) this.#frame = requestAnimationFrame(this.#run);
  }

  #run = (): void => {
    this.#tell(false);
    this.#frame = requestAnimationFrame(this.#run);
  };

  #tell(jumped: boolean): void {
    for (const listener of this.#moved) listener(this.time, jumped);
  }
}

export function usePlayback(playback: Playback): PlaybackState {
  return useSyncExternalStore(playback.onChange, () => playback.state);
}

function listening<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
