import type { Fields } from './options';
import { Pace } from './pace';
import { delayAfter, isGone } from './retries';
import { isFileOf, isUnderWay, newId, newUpload, nextToSend, type Source, type Upload } from './upload';

/** Uploads that a page shows at most; the files of a larger drop are not all taken. */
export const MOST = 500;

/** What happens to an upload while it is sent. After `done`, `failed` or `lost` nothing more happens. */
export type Happenings = {
  located: (address: string) => void;
  /** Bytes that were handed to the line. */
  progressed: (sent: number) => void;
  /** Bytes that the server has. */
  arrived: (sent: number) => void;
  done: (run: { runId: string; reused: boolean }) => void;
  failed: (error: Error) => void;
  /** The file cannot be read any more. */
  lost: () => void;
};

/** What the queue works with. */
export type Parts = {
  /** Sends until it is done, has failed, or is told to stop; then nothing more may happen. */
  send: (upload: Upload, stop: AbortSignal, happenings: Happenings) => void;
  /** Lets the server drop what has come. */
  drop: (address: string) => void;
  keep: (upload: Upload) => void;
  forget: (id: string) => void;
  /** Says why a file need not be sent; null where it has to be tried. */
  refusal: (file: File) => Error | null;
  /** A run has come to be. */
  begun: () => void;
};

type Try = { stop: AbortController; timer: ReturnType<typeof setTimeout> | undefined; failures: number };

export type Queue = ReturnType<typeof createQueue>;

/** Uploads in the order in which they were added; a few are sent at a time, and the rest wait. */
export function createQueue(parts: Parts) {
  let uploads: readonly Upload[] = [];
  const tries = new Map<string, Try>();
  const listeners = new Set<() => void>();

  const find = (id: string) => uploads.find((upload) => upload.id === id);

  function show(next: readonly Upload[]): void {
    uploads = next;
    for (const listener of listeners) listener();
  }

  function change(id: string, what: Partial<Upload>): void {
    show(uploads.map((upload) => (upload.id === id ? { ...upload, ...what } : upload)));
  }

  /** End what is going on for an upload, and let others have its place. */
  function settle(id: string, what: Partial<Upload>): void {
    halt(id);
    change(id, { secondsLeft: null, retryAt: null, ...what });
    fill();
  }

  function halt(id: string): void {
    const current = tries.get(id);
    current?.stop.abort();
    clearTimeout(current?.timer);
    tries.delete(id);
  }

  function fill(): void {
    for (const upload of nextToSend(uploads)) attempt(upload.id, 0);
  }

  function attempt(id: string, failures: number): void {
    halt(id);
    const current: Try = { stop: new AbortController(), timer: undefined, failures };
    tries.set(id, current);
    change(id, { state: 'sending', retryAt: null, error: null, secondsLeft: null });
    const upload = find(id);
    if (upload) parts.send(upload, current.stop.signal, happenings(id, current));
  }

  function happenings(id: string, current: Try): Happenings {
    const pace = new Pace();
    const size = find(id)?.size ?? 0;
    const keep = () => {
      const upload = find(id);
      if (upload?.source?.kind === 'file' && upload.source.onDisk) parts.keep(upload);
    };
    return {
      located(address) {
        change(id, { address });
        keep();
      },
      progressed(sent) {
        if (pace.note(sent, Date.now()) || sent === size)
          change(id, { sent, secondsLeft: pace.secondsFor(size - sent) });
      },
      arrived(sent) {
        current.failures = 0;
        change(id, { sent });
        keep();
      },
      done(run) {
        parts.forget(id);
        // Without its address: what is dropped from the list stays on the server.
        settle(id, { ...run, state: 'done', address: null });
        parts.begun();
      },
      failed: (error) => failed(id, current.failures + 1, error),
      lost: () => settle(id, { state: 'missing', source: null }),
    };
  }

  function failed(id: string, failures: number, error: Error): void {
    const begun = Boolean(find(id)?.address);
    // The server has dropped what had come: it is begun anew, as another request.
    if (begun && isGone(error)) change(id, { address: null, sent: 0, key: newId() });
    const delay = delayAfter(error, failures, begun, Math.random());
    if (delay === null) {
      settle(id, { state: 'failed', error });
      return;
    }
    halt(id);
    change(id, { state: 'delayed', error, secondsLeft: null, retryAt: Date.now() + delay });
    const timer = setTimeout(() => attempt(id, failures), delay);
    tries.set(id, { stop: new AbortController(), timer, failures });
  }

  return {
    get: () => uploads,

    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    /** Take what is to be brought; return how many were too many. */
    add(sources: readonly Source[], fields: Fields): number {
      const fresh: Upload[] = [];
      for (const source of sources) {
        const known =
          source.kind === 'file' && uploads.find((one) => !one.source && isFileOf(one, source.file));
        if (known) change(known.id, { source, state: 'waiting' });
        else fresh.push(checked(newUpload(source, fields)));
      }
      const room = Math.max(0, MOST - uploads.length);
      show([...uploads, ...fresh.slice(0, room)]);
      fill();
      return Math.max(0, fresh.length - room);
    },

    /** Show uploads that an earlier page has begun. */
    offer(unfinished: readonly Upload[]): void {
      show([...uploads, ...unfinished.filter(({ id }) => !find(id))].slice(0, MOST));
    },

    /** Go on with an upload whose file was missing; return whether the file is the right one. */
    choose(id: string, file: File): boolean {
      const upload = find(id);
      if (!upload || !isFileOf(upload, file)) return false;
      settle(id, { source: { kind: 'file', file, onDisk: true }, state: 'waiting' });
      return true;
    },

    pause: (id: string) => settle(id, { state: 'paused', error: null }),

    /** Go on with what was paused, has failed, or waits for its next try. */
    resume: (id: string) => settle(id, { state: 'waiting', error: null }),

    /** Transcribe a recording that was there already, anew. */
    again(id: string): void {
      const runId = find(id)?.runId;
      const source: Source | null = runId ? { kind: 'again', runId } : null;
      if (source) settle(id, { source, size: null, state: 'waiting', reused: false, key: newId() });
    },

    /** Take an upload off the list; what has come of an unfinished one is dropped. */
    remove(id: string): void {
      const upload = find(id);
      halt(id);
      parts.forget(id);
      if (upload?.address) parts.drop(upload.address);
      show(uploads.filter((one) => one.id !== id));
      fill();
    },

    removeDone: () => show(uploads.filter(({ state }) => state !== 'done')),

    /** Another page sees to it now. */
    leave(id: string): void {
      if (find(id)?.state === 'missing') show(uploads.filter((upload) => upload.id !== id));
    },

    /** The line is back: nobody need wait any longer. */
    wake(): void {
      for (const { id, state } of uploads) if (state === 'delayed') attempt(id, 0);
    },

    /** Stop all, as the page goes away. */
    stop(): void {
      for (const id of [...tries.keys()]) halt(id);
    },

    isBusy: () => uploads.some(isUnderWay),
  };

  function checked(upload: Upload): Upload {
    const error = upload.source?.kind === 'file' ? parts.refusal(upload.source.file) : null;
    return error ? { ...upload, state: 'failed', error } : upload;
  }
}
