import type { Fields } from './options';

/** What an upload brings: a file, an address that the server fetches, or a recording that is there, once more. */
export type Source =
  /** `onDisk`: it can be chosen again after a reload, as what was just recorded cannot. */
  | { kind: 'file'; file: File; onDisk: boolean }
  | { kind: 'link'; url: string }
  | { kind: 'again'; runId: string };

/**
 * waiting: for a place among those that are sent. delayed: for the next try. paused: for the person. missing: for its
 * file, which a page that was loaded anew has not.
 */
export type State = 'waiting' | 'sending' | 'delayed' | 'paused' | 'missing' | 'done' | 'failed';

export type Upload = {
  id: string;
  name: string;
  /** Bytes; null where there are none to send. */
  size: number | null;
  /** When its file was changed last, which tells it from others of its name and size. */
  changedAt: number;
  source: Source | null;
  fields: Fields;
  state: State;
  sent: number;
  secondsLeft: number | null;
  /** Where the server keeps what has come; null before it has begun and after it has ended. */
  address: string | null;
  /** Names the request that begins it, so that one whose answer was lost can be sent again. */
  key: string;
  retryAt: number | null;
  error: Error | null;
  runId: string | null;
  reused: boolean;
};

/** Return a new id of 128 random bits; randomUUID is only there where the page came by HTTPS. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

/** Return an upload that waits for its turn. */
export function newUpload(source: Source, fields: Fields): Upload {
  const file = source.kind === 'file' ? source.file : null;
  return {
    id: newId(),
    name: file?.name ?? (source.kind === 'link' ? source.url : ''),
    size: file?.size ?? null,
    changedAt: file?.lastModified ?? 0,
    source,
    fields,
    state: 'waiting',
    sent: 0,
    secondsLeft: null,
    address: null,
    key: newId(),
    retryAt: null,
    error: null,
    runId: null,
    reused: false,
  };
}

/** Whether a file is the one that an upload was begun with, as far as can be told without reading it. */
export function isFileOf(upload: Upload, file: File): boolean {
  return upload.name === file.name && upload.size === file.size && upload.changedAt === file.lastModified;
}

export const AT_ONCE = 3;

/** Return those whose turn it is, in the order in which they were added. */
export function nextToSend(uploads: readonly Upload[]): Upload[] {
  const busy = uploads.filter(({ state }) => state === 'sending' || state === 'delayed').length;
  return uploads.filter(({ state }) => state === 'waiting').slice(0, Math.max(0, AT_ONCE - busy));
}

/** Whether something would be lost, or stand still, if the page went away now. */
export function isUnderWay({ state }: Upload): boolean {
  return state !== 'done' && state !== 'failed' && state !== 'missing';
}
