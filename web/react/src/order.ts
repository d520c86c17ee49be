/** Which frames a tab takes. The owner's events are numbered without a gap; progress in between has no number. Pure. */

/** `ask`: something is missing; whoever leads has it, or the whole state. */
export type Verdict = 'take' | 'drop' | 'ask';

/** What becomes of a frame with a number (null: progress in between) at a tab that was told all up to `lastId`. */
export function judge(lastId: number | null, id: number | null): Verdict {
  if (lastId === null) return 'ask';
  if (id === null || id === lastId + 1) return 'take';
  return id <= lastId ? 'drop' : 'ask';
}
