import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef } from 'react';
import type { Playback } from './playback';
import { lastBegun, type Segment } from './segments';

/** Pixels at the page's ends that the toolbar and the player may cover. */
const COVERED = { top: 88, bottom: 200 };

type Props = {
  list: RefObject<HTMLElement | null>;
  segments: readonly Segment[];
  playback: Playback;
  /** Bring a segment's row into the page, where it may not be yet. */
  scrollTo: (index: number) => void;
};

/**
 * Mark the word that plays, by an attribute of its element: nothing is rendered for it. Return the function that shows it.
 *
 * The page follows the word as long as it can be seen: who scrolls away is left in peace, and who scrolls back is taken along.
 */
export function usePlayingWord({ list, segments, playback, scrollTo }: Props): () => void {
  const marked = useRef<Element | null>(null);
  const at = useRef<number | null>(null);

  const move = useCallback(
    (seconds: number): Segment | undefined => {
      at.current = seconds;
      const segment = segments[lastBegun(segments, seconds)];
      const word = segment ? lastBegun(segment.words ?? [], seconds) : -1;
      const row = `[data-segment="${segment?.index}"]`;
      const found = list.current?.querySelector(word < 0 ? row : `${row} [data-word="${word}"]`) ?? null;
      if (found !== marked.current) {
        marked.current?.removeAttribute('data-playing');
        found?.setAttribute('data-playing', '');
        marked.current = found;
      }
      return segment;
    },
    [list, segments],
  );

  const show = useCallback(
    (segment: Segment | undefined) => {
      if (marked.current && isComfortable(marked.current)) return;
      if (marked.current) marked.current.scrollIntoView({ block: 'center' });
      else if (segment) scrollTo(segment.index);
    },
    [scrollTo],
  );

  useEffect(
    () =>
      playback.onMove((seconds, jumped) => {
        const before = marked.current;
        const follows = jumped || (before !== null && isSeen(before));
        const segment = move(seconds);
        if (follows && (jumped || marked.current !== before)) show(segment);
      }),
    [playback, move, show],
  );

  // Rows come and go while one scrolls; the word's may be a new element.
  useLayoutEffect(() => {
    if (at.current !== null) move(at.current);
  });

  return useCallback(() => show(move(playback.time)), [move, show, playback]);
}

function isSeen(element: Element): boolean {
  const { top, bottom } = element.getBoundingClientRect();
  return element.isConnected && bottom > 0 && top < innerHeight;
}

function isComfortable(element: Element): boolean {
  const { top, bottom } = element.getBoundingClientRect();
  return top > COVERED.top && bottom < innerHeight - COVERED.bottom;
}
