import { useDeferredValue, useEffect, useMemo, useState } from 'react';
import { find, type Match } from './find';
import type { Segment } from './segments';

/** Find in the text what a person writes; `reveal` brings the segment of the match that is shown into the page. */
export function useFinding(segments: readonly Segment[], reveal: (index: number) => void) {
  const [text, setText] = useState('');
  const [wanted, setWanted] = useState(0);
  const sought = useDeferredValue(text);
  const found = useMemo(() => find(segments, sought), [segments, sought]);
  const matches = useMemo(() => byIndex(found), [found]);
  const place = Math.min(wanted, Math.max(0, found.length - 1));
  const current = found[place] ?? null;
  const { index, from } = current ?? {};
  // biome-ignore lint/correctness/useExhaustiveDependencies: one goes to another match, not to another way to go.
  useEffect(() => {
    if (index !== undefined) reveal(index);
  }, [index, from]);
  const onText = (next: string) => {
    setText(next);
    setWanted(0);
  };
  return { text, onText, count: found.length, place, onPlace: setWanted, matches, current };
}

function byIndex(found: readonly Match[]): ReadonlyMap<number, readonly Match[]> {
  const grouped = new Map<number, Match[]>();
  for (const match of found) {
    const group = grouped.get(match.index);
    if (group) group.push(match);
    else grouped.set(match.index, [match]);
  }
  return grouped;
}
