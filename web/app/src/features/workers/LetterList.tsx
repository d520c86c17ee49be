import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { useSession } from '../../session/session';
import { Button } from '../../ui/Button';
import { when } from '../../ui/format';
import styles from './LetterList.module.css';
import type { Letter } from './letters';
import page from './WorkersPage.module.css';

type Marks = ReadonlySet<string>;
type Props = {
  letters: readonly Letter[];
  marked: Marks;
  onMark: (marked: Marks) => void;
  onReplay: (id: string) => void;
};

const STEP = 50;

/** Dead letters, the newest first, each to be marked for the buttons above. */
export function LetterList({ letters, marked, onMark, onReplay }: Props) {
  const { t } = useTranslation('workers');
  const [length, setLength] = useState(STEP);
  const shown = letters.slice(0, length);
  const all = shown.every(({ id }) => marked.has(id));
  const mark = (ids: string[], on: boolean) => {
    const next = new Set(marked);
    for (const id of ids) on ? next.add(id) : next.delete(id);
    onMark(next);
  };
  return (
    <>
      <label className={styles.all}>
        <input
          type="checkbox"
          checked={all}
          onChange={() =>
            mark(
              shown.map(({ id }) => id),
              !all,
            )
          }
        />
        {t('chooseAll', { count: shown.length })}
      </label>
      <ul className={page.list}>
        {shown.map((letter) => (
          <LetterCard
            key={letter.id}
            letter={letter}
            marked={marked.has(letter.id)}
            onMark={(on) => mark([letter.id], on)}
            onReplay={() => onReplay(letter.id)}
          />
        ))}
      </ul>
      {letters.length > length && (
        <Button onClick={() => setLength(length + STEP)}>
          {t('showMore', { count: letters.length - length })}
        </Button>
      )}
    </>
  );
}

type CardProps = { letter: Letter; marked: boolean; onMark: (on: boolean) => void; onReplay: () => void };

function LetterCard({ letter, marked, onMark, onReplay }: CardProps) {
  const { t, i18n } = useTranslation('workers');
  const { code, message, createdAt, lane, owner, runId } = letter;
  const mine = useSession()?.owner === owner;
  const at = when(createdAt, i18n.language);
  const kind = t(`kinds.${letter.kind as 'chunk'}`, { defaultValue: letter.kind });
  return (
    <li className={styles.letter}>
      <input
        type="checkbox"
        aria-label={t('chooseOne', { code, at })}
        checked={marked}
        onChange={(event) => onMark(event.target.checked)}
      />
      <div className={styles.cause}>
        <code>{code}</code>
        <p>{message}</p>
        <ul className={styles.facts}>
          <li>
            <time dateTime={createdAt}>{at}</time>
          </li>
          <li>{kind}</li>
          <li>{lane.replace('.', ' · ')}</li>
          <li>
            {t('owner')} {owner}
          </li>
          {/* Another owner's run is theirs to see. */}
          <li>{mine ? <Link href={`/runs/${runId}`}>{t('toRun')}</Link> : <code>{runId}</code>}</li>
        </ul>
      </div>
      <Button onClick={onReplay} aria-label={t('replayOne', { code, at })}>
        {t('replay')}
      </Button>
    </li>
  );
}
