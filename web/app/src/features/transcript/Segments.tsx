import { defaultRangeExtractor, type Range, useWindowVirtualizer } from '@tanstack/react-virtual';
import {
  type MouseEvent,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import { useTranslation } from 'react-i18next';
import { clock } from '../../ui/format';
import type { Editing } from './editing';
import type { Match } from './find';
import type { Playback } from './playback';
import { usePlayingWord } from './playingWord';
import type { Row } from './rows';
import { SegmentEditor } from './SegmentEditor';
import { SegmentRow } from './SegmentRow';
import styles from './Segments.module.css';
import type { Segment } from './segments';
import type { Names } from './speakers';

export type SegmentsHandle = { reveal: (index: number) => void; showPlaying: () => void };

type Props = {
  ref: Ref<SegmentsHandle>;
  runId: string;
  rows: readonly Row[];
  segments: readonly Segment[];
  labels: readonly string[];
  names: Names;
  language: string | null;
  ended: boolean;
  unsure: boolean;
  /** What was found, by the segment's index. */
  matches: ReadonlyMap<number, readonly Match[]>;
  current: Match | null;
  playback: Playback;
  /** Null for who may not edit. */
  editing: Editing | null;
};

/** The text, as far as it is there. Only the rows near what is seen are in the page. */
export function Segments({ ref, rows, segments, playback, editing, ...shown }: Props) {
  const { t, i18n } = useTranslation('transcript');
  const list = useRef<HTMLOListElement>(null);
  const margin = useTopOf(list);
  const [columns] = useState(columnsOfPage);
  const edited = rows.findIndex((row) => row.key === editing?.open?.before.index);
  const virtual = useWindowVirtualizer<HTMLLIElement>({
    count: rows.length,
    estimateSize: (place) => estimate(rows[place], columns),
    getItemKey: (place) => rows[place]?.key ?? place,
    overscan: 6,
    scrollMargin: margin,
    anchorTo: 'end', // What comes in above what one reads does not move it.
    directDomUpdates: true,
    // What is being written stays, wherever one scrolls.
    rangeExtractor: useCallback((range: Range) => withRow(defaultRangeExtractor(range), edited), [edited]),
  });
  const scrollTo = useCallback(
    (index: number) => {
      const place = rows.findIndex((row) => row.key === index);
      if (place >= 0) virtual.scrollToIndex(place, { align: 'center' });
    },
    [rows, virtual],
  );
  useReturn(list, editing?.open?.before.index);
  const showPlaying = usePlayingWord({ list, segments, playback, scrollTo });
  useImperativeHandle(ref, () => ({ reveal: scrollTo, showPlaying }), [scrollTo, showPlaying]);
  const play = useCallback((segment: Segment) => playback.playFrom(segment.start), [playback]);

  const pressed = ({ target }: MouseEvent) => {
    const place = target instanceof Element && target.closest('[data-word]')?.getAttribute('data-word');
    if (!place || !getSelection()?.isCollapsed) return;
    const index = Number((target as Element).closest('[data-segment]')?.getAttribute('data-segment'));
    const word = segments.find((segment) => segment.index === index)?.words?.[Number(place)];
    if (word) playback.playFrom(word.start);
  };

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard has a link in each row; nobody steps through ten thousand words.
    <ol
      ref={(element) => {
        list.current = element;
        virtual.containerRef(element);
      }}
      className={styles.list}
      aria-label={t('text')}
      lang={shown.language ?? undefined}
      onClick={pressed}
    >
      {virtual.getVirtualItems().map(({ index: place, key }) => {
        const row = rows[place];
        if (!row) return null;
        return (
          <li
            key={key}
            ref={virtual.measureElement}
            data-index={place}
            className={styles.row}
            aria-posinset={place + 1}
            aria-setsize={rows.length}
          >
            {row.kind === 'gap' ? (
              <p className={styles.gap} lang={document.documentElement.lang}>
                <span className={styles.gapTime}>{clock(row.start)}</span>
                {t(shown.ended ? 'gap.missing' : 'gap.coming')}
              </p>
            ) : editing?.open?.before.index === row.key ? (
              <SegmentEditor
                editing={editing}
                runId={shown.runId}
                labels={shown.labels}
                names={shown.names}
                playback={playback}
              />
            ) : (
              <SegmentRow
                t={t}
                language={i18n.language}
                segment={row.segment}
                head={row.head}
                labels={shown.labels}
                names={shown.names}
                unsure={shown.unsure}
                matches={shown.matches.get(row.segment.index)}
                current={shown.current?.index === row.segment.index ? shown.current : null}
                onPlay={play}
                onEdit={editing?.edit}
              />
            )}
          </li>
        );
      })}
    </ol>
  );
}

/** Return how far down the page an element begins; what is above it may grow. */
function useTopOf(element: { current: HTMLElement | null }): number {
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const measure = () => {
      if (element.current) setTop(Math.round(element.current.getBoundingClientRect().top + scrollY));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, [element]);
  return top;
}

/** When a segment is no longer edited, let the keyboard go on where it was. */
function useReturn(list: { current: HTMLElement | null }, index: number | undefined): void {
  const before = useRef(index);
  useEffect(() => {
    if (before.current !== undefined && index === undefined)
      list.current?.querySelector<HTMLElement>(`[data-segment="${before.current}"] button`)?.focus();
    before.current = index;
  }, [list, index]);
}

function withRow(places: number[], place: number): number[] {
  if (place < 0 || places.includes(place)) return places;
  return [...places, place].sort((one, other) => one - other);
}

/** Pixels that a row will about need; it is measured once it is in the page. */
function estimate(row: Row | undefined, columns: number): number {
  if (row?.kind !== 'segment') return 48;
  const lines = Math.max(1, Math.ceil(row.segment.text.length / columns));
  return 8 + 28 * lines + (row.head === null ? 0 : 40);
}

/** About how many letters of a line there is room for. Asked once: asking lays the page out. */
function columnsOfPage(): number {
  return Math.max(20, Math.min(95, innerWidth / 11));
}
