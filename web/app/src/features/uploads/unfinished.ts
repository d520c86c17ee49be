import type { Fields } from './options';
import { newId, type Upload } from './upload';

/** What a browser keeps of an upload that has begun, so that it goes on after a reload. The bytes stay in their file. */
type Unfinished = Pick<Upload, 'id' | 'name' | 'changedAt' | 'sent' | 'address' | 'key'> & {
  size: number;
  fields: Fields;
  owner: string;
  /** The page that is at it. */
  page: string;
  at: number;
};

const PREFIX = 'lingoloop.upload.';
const KEPT_MS = 7 * 24 * 3600 * 1000; // servers drop what is not finished long before
const PAGE = `lingoloop.page.${newId()}`;

// Held for as long as this page lives: others then know which uploads nobody is at. Browsers give no locks to pages that
// came by plain HTTP; there, another tab offers what this one is at.
navigator.locks?.request(PAGE, () => new Promise<never>(() => {}));

export function keep(upload: Upload, owner: string): void {
  const { id, name, size, changedAt, sent, address, key, fields } = upload;
  const kept = { id, name, size, changedAt, sent, address, key, fields, owner, page: PAGE, at: Date.now() };
  try {
    localStorage.setItem(PREFIX + id, JSON.stringify(kept));
  } catch {
    // No room, or not allowed: the upload goes on all the same, it only cannot be resumed after a reload.
  }
}

export function forget(id: string): void {
  localStorage.removeItem(PREFIX + id);
}

/**
 * Return the owner's uploads that were begun by pages which are gone, or by this one before its owner signed in again; the
 * oldest first.
 */
export async function abandoned(owner: string): Promise<Upload[]> {
  const held = (await navigator.locks?.query())?.held ?? [];
  const others = new Set(held.map(({ name }) => name).filter((name) => name !== PAGE));
  const found = Object.keys(localStorage)
    .filter((name) => name.startsWith(PREFIX))
    .map(read)
    .filter((kept) => kept !== null)
    .filter((kept) => kept.owner === owner && !others.has(kept.page));
  return found.sort((one, other) => one.at - other.at).map(asUpload);
}

/** Return the id of an upload that another page has ended or taken over; null if a change of the storage is no such one. */
export function takenOver(change: Pick<StorageEvent, 'key' | 'newValue'>): string | null {
  if (!change.key?.startsWith(PREFIX)) return null;
  if (change.newValue && (JSON.parse(change.newValue) as Unfinished).page === PAGE) return null;
  return change.key.slice(PREFIX.length);
}

function read(name: string): Unfinished | null {
  try {
    const kept = JSON.parse(localStorage.getItem(name) ?? '') as Unfinished;
    if (Date.now() - kept.at < KEPT_MS) return kept;
  } catch {
    // not ours to understand
  }
  localStorage.removeItem(name);
  return null;
}

function asUpload({ owner: _, page: __, at: ___, ...kept }: Unfinished): Upload {
  return {
    ...kept,
    source: null,
    state: 'missing',
    secondsLeft: null,
    retryAt: null,
    error: null,
    runId: null,
    reused: false,
  };
}
