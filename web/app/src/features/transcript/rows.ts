import type { RunStatus } from './run';
import type { Segment } from './segments';
import { speakerOf } from './speakers';

/*
 * What the list shows: segments, and between them what is still missing. Pure.
 */

/** `head`: whether another one speaks than before, so that the row names the speaker. */
export type Row =
  | { kind: 'segment'; key: number; segment: Segment; head: string | null }
  | { kind: 'gap'; key: string; start: number; end: number | null };

/** A chunk's segments have the indexes from 1,000 times its own on. */
const INDEXES = 1_000;
/** Seconds; what is missing for less is a pause. */
const SHORTEST_GAP = 5;

/**
 * Return the rows of a run.
 *
 * Chunks end in any order; until the run has succeeded, chunks that have no segment are gaps. A chunk in which nobody speaks
 * looks the same, so a gap only says that there is nothing yet.
 */
export function rowsOf(segments: readonly Segment[], status: RunStatus, length: number | null): Row[] {
  const rows: Row[] = [];
  const whole = status === 'succeeded';
  const gap = (start: number, end: number | null) => {
    if (!whole && (end === null || end - start >= SHORTEST_GAP))
      rows.push({ kind: 'gap', key: `gap ${start}`, start, end });
  };
  let [chunk, end, speaker]: [number, number, string | null] = [-1, 0, null];
  for (const segment of segments) {
    const its = Math.floor(segment.index / INDEXES);
    if (its > chunk + 1) gap(end, segment.start);
    const speaks = speakerOf(segment);
    rows.push({ kind: 'segment', key: segment.index, segment, head: speaks === speaker ? null : speaks });
    [chunk, end, speaker] = [its, Math.max(end, segment.end), speaks];
  }
  if (segments.length > 0) gap(end, length);
  return rows;
}
