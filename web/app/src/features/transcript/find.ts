import type { Segment } from './segments';

/*
 * Where something is said. Pure.
 */

/** A place in the text of the segment with this index. */
export type Match = { index: number; from: number; to: number };

/** Places that are found at most: nobody steps through more. */
export const MOST = 1_000;

/** Return where the text is, whatever its case, in order; spaces count as one, at the ends not at all. */
export function find(segments: readonly Segment[], text: string): Match[] {
  const sought = text.trim().split(/\s+/).map(literally).join('\\s+');
  const matches: Match[] = [];
  if (!sought) return matches;
  const pattern = new RegExp(sought, 'giu');
  for (const segment of segments) {
    for (const { index: from, 0: found } of segment.text.matchAll(pattern)) {
      matches.push({ index: segment.index, from, to: from + found.length });
      if (matches.length === MOST) return matches;
    }
  }
  return matches;
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** A part of a piece of text, and which match it belongs to. */
export type Part = { from: number; to: number; match: Match | null };

/** Cut the text from one place to another where matches begin and end. */
export function cut(from: number, to: number, matches: readonly Match[]): Part[] {
  const parts: Part[] = [];
  let at = from;
  for (const match of matches) {
    const [begin, end] = [Math.max(at, match.from), Math.min(to, match.to)];
    if (begin >= end) continue;
    if (begin > at) parts.push({ from: at, to: begin, match: null });
    parts.push({ from: begin, to: end, match });
    at = end;
  }
  if (at < to) parts.push({ from: at, to, match: null });
  return parts;
}
