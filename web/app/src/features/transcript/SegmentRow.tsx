import type { TFunction } from 'i18next';
import { memo, useMemo } from 'react';
import { clock } from '../../ui/format';
import { cut, type Match } from './find';
import { momentHash } from './moments';
import styles from './SegmentRow.module.css';
import { Speaker } from './Speaker';
import type { Segment } from './segments';
import type { Names } from './speakers';
import { piecesOf, UNSURE } from './words';

type Props = {
  /** Given, for a row that is scrolled into the page has no time to ask for it. */
  t: TFunction<'transcript'>;
  /** The page's language, not the text's. */
  language: string;
  segment: Segment;
  head: string | null;
  labels: readonly string[];
  names: Names;
  unsure: boolean;
  matches: readonly Match[] | undefined;
  current: Match | null;
  onPlay: (segment: Segment) => void;
  onEdit: ((segment: Segment) => void) | undefined;
};

const NONE: readonly Match[] = [];

/** A segment: when it is said, by whom, and its words. */
export const SegmentRow = memo(function SegmentRow({ segment, head, onPlay, onEdit, ...shown }: Props) {
  const { t, language } = shown;
  const at = clock(segment.start);
  return (
    <div className={styles.segment} data-segment={segment.index}>
      {head !== null && (
        <Speaker label={head} labels={shown.labels} names={shown.names} t={t} language={language} />
      )}
      <a
        className={styles.time}
        href={momentHash(segment.start)}
        aria-label={t('playFrom', { at })}
        lang={language}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          onPlay(segment);
        }}
      >
        {at}
      </a>
      <p className={styles.text}>
        <Words {...shown} segment={segment} />
        {segment.text === '' && (
          <span className={styles.note} lang={language}>
            {t('nothingSaid')}
          </span>
        )}
        {segment.edited && (
          <span className={styles.note} lang={language} title={t('editedTitle')}>
            {' '}
            {t('edited')}
          </span>
        )}
      </p>
      {onEdit && (
        <button
          type="button"
          className={styles.edit}
          lang={language}
          aria-label={t('editAt', { at })}
          title={t('edit')}
          onClick={() => onEdit(segment)}
        >
          <svg
            viewBox="0 0 16 16"
            width="16"
            height="16"
            aria-hidden="true"
            fill="none"
            stroke="currentColor"
          >
            <path d="M2.5 13.5l.8-3.3 7.7-7.7 2.5 2.5-7.7 7.7z" strokeWidth="1.3" strokeLinejoin="round" />
          </svg>
        </button>
      )}
    </div>
  );
});

type WordsProps = Pick<Props, 't' | 'segment' | 'unsure' | 'matches' | 'current'>;

function Words({ t, segment, unsure, matches = NONE, current }: WordsProps) {
  const { text, words = [] } = segment;
  const pieces = useMemo(() => piecesOf(text, words), [text, words]);
  return pieces.map(({ from, to, word }) => {
    const inside = cut(from, to, matches).map((part) =>
      part.match ? (
        <mark key={part.from} data-current={part.match === current || undefined}>
          {text.slice(part.from, part.to)}
        </mark>
      ) : (
        text.slice(part.from, part.to)
      ),
    );
    if (word === null) return inside;
    const sure = words[word]?.confidence ?? 1;
    const doubt = unsure && sure < UNSURE;
    return (
      <span
        key={from}
        data-word={word}
        className={doubt ? styles.unsure : undefined}
        title={doubt ? t('sure', { share: Math.round(sure * 100) }) : undefined}
      >
        {inside}
      </span>
    );
  });
}
