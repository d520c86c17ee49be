import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';
import { LetterList } from './LetterList';
import { AT_ONCE, type Choice, countByCode, type Letter, LOOKED_AT, useLetters } from './letters';
import { ReplayDialog } from './ReplayDialog';
import page from './WorkersPage.module.css';

/** What failed for good, with its cause, and the way back. */
export function LettersSection() {
  const { t } = useTranslation('workers');
  const { data, error, isPending } = useLetters();
  const [code, setCode] = useState('');
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [choice, setChoice] = useState<Choice | null>(null);
  const [result, setResult] = useState('');
  const heading = useRef<HTMLHeadingElement>(null);
  // The button that had the focus goes with its letter.
  useEffect(() => {
    if (result) heading.current?.focus();
  }, [result]);
  const letters = data?.letters ?? [];
  const shown = letters.filter((letter) => code === '' || letter.code === code);
  const chosen = shown.filter(({ id }) => marked.has(id)).map(({ id }) => id);
  const replay = (next: Choice) => {
    setResult('');
    setChoice(next);
  };
  return (
    <section className={page.section} aria-labelledby="letters">
      <div className={page.head}>
        <h2 id="letters" ref={heading} tabIndex={-1}>
          {t('letters')}
        </h2>
        {letters.length > 0 && (
          <div className={page.actions}>
            <CauseChoice code={code} letters={letters} onChoose={setCode} />
            <Button disabled={chosen.length === 0} onClick={() => replay({ ids: chosen.slice(0, AT_ONCE) })}>
              {t('replayChosen', { count: chosen.length })}
            </Button>
            <Button
              disabled={shown.length === 0}
              onClick={() => replay(code === '' ? { all: true } : { code })}
            >
              {code === '' ? t('replayAll') : t('replayCode', { code })}
            </Button>
          </div>
        )}
      </div>
      <p className={page.muted}>{t('lettersMean')}</p>
      <p role="status" className={page.status}>
        {result}
      </p>
      {error && <Fault error={error} />}
      {isPending && <p className={page.muted}>{t('loading', { ns: 'ui' })}</p>}
      {data && letters.length === 0 && <p className={page.empty}>{t('noLetters')}</p>}
      {shown.length > 0 && (
        <LetterList
          key={code}
          letters={shown}
          marked={marked}
          onMark={setMarked}
          onReplay={(id) => replay({ ids: [id] })}
        />
      )}
      {data?.more && <p className={page.muted}>{t('newestOnly', { count: LOOKED_AT })}</p>}
      {choice && <ReplayDialog choice={choice} onClose={() => setChoice(null)} onDone={setResult} />}
    </section>
  );
}

type CauseProps = { code: string; letters: readonly Letter[]; onChoose: (code: string) => void };

function CauseChoice({ code, letters, onChoose }: CauseProps) {
  const { t } = useTranslation('workers');
  const counts = new Map(countByCode(letters));
  // The one that is chosen stays when the last of its letters was put back.
  if (code !== '' && !counts.has(code)) counts.set(code, 0);
  return (
    <select aria-label={t('cause')} value={code} onChange={(event) => onChoose(event.target.value)}>
      <option value="">{t('allCauses', { count: letters.length })}</option>
      {[...counts].map(([name, count]) => (
        <option key={name} value={name}>
          {name} ({count})
        </option>
      ))}
    </select>
  );
}
