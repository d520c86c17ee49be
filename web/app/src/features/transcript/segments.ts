import type { Schemas } from '../../api/client';

/*
 * The segments of a transcript, in order of their index, and how what is told of them is put together. Pure.
 */

export type Word = Schemas['Word'];

/** A segment as a page of the API or a frame of the stream tells it; fields that do not apply are left out. */
export type Segment = Pick<Schemas['TranscriptSegment'], 'index' | 'start' | 'end' | 'text'> & {
  /** Missing where the first frame told of the text alone. */
  words?: readonly Word[];
  channel?: number | null;
  speaker?: string | null;
  edited?: true | null;
};

/** Take in what was read from the API: it has the words and people's edits, so it counts. */
export function withRead(known: readonly Segment[], read: readonly Segment[]): readonly Segment[] {
  return merge(known, read, (_, now) => now);
}

/** Take in what a frame told: the machine's version, which changes nothing that a person has edited. */
export function withTold(known: readonly Segment[], told: readonly Segment[]): readonly Segment[] {
  return merge(known, told, (before, now) => (before.edited || !now.words ? before : now));
}

/** Return the last item that begins at or before a moment, by its place; -1 where there is none. */
export function lastBegun(items: readonly { start: number }[], seconds: number): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((items[middle] as { start: number }).start <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Merge two lists, the first one in order of index, in time that grows with their length. */
function merge(
  known: readonly Segment[],
  news: readonly Segment[],
  choose: (before: Segment, now: Segment) => Segment,
): readonly Segment[] {
  if (news.length === 0) return known;
  const coming = [...news].sort((one, other) => one.index - other.index);
  const merged: Segment[] = [];
  let at = 0;
  for (const segment of coming) {
    for (let before = known[at]; before && before.index < segment.index; before = known[at]) {
      merged.push(before);
      at += 1;
    }
    const last = merged.at(-1);
    if (last?.index === segment.index) {
      merged[merged.length - 1] = choose(last, segment);
      continue;
    }
    const same = known[at]?.index === segment.index ? known[at++] : undefined;
    merged.push(same ? choose(same, segment) : segment);
  }
  return merged.concat(known.slice(at));
}
