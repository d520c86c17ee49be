import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { Cause } from '../../ui/Cause';
import { clock, duration, languageName, when } from '../../ui/format';
import { Marked } from './Marked';
import { RunActions } from './RunActions';
import styles from './RunRow.module.css';
import { RunState } from './RunState';
import { type Run, wasCanceled } from './runs';

type Props = { run: Run; query: string; onAgain: () => void; onDelete: () => void };

/** One run: what it is of, how far it is, what can be done with it, where in it stands what was searched for. */
export function RunRow({ run, query, onAgain, onDelete }: Props) {
  return (
    <li className={styles.row}>
      <div className={styles.what}>
        <h2 className={styles.name}>
          <Link id={`run-${run.runId}`} href={`/runs/${run.runId}`}>
            <Marked text={run.filename} query={query} />
          </Link>
        </h2>
        <Facts run={run} />
      </div>
      <RunState run={run} />
      <RunActions run={run} onAgain={onAgain} onDelete={onDelete} />
      {run.error && run.status === 'failed' && !wasCanceled(run) && (
        <div className={styles.cause}>
          <Cause error={run.error} />
        </div>
      )}
      {run.matches && run.matches.length > 0 && <Matches run={run} matches={run.matches} query={query} />}
    </li>
  );
}

/** Length, language, engine, options, moment: what tells runs of one recording apart. What is not known yet is left out. */
function Facts({ run }: { run: Run }) {
  const { t, i18n } = useTranslation('recordings');
  const { language } = i18n;
  const { task, diarize, channels, hotwords } = run.options;
  const spoken = (code: string) => (code === 'multi' ? t('options.multi') : languageName(code, language));
  const facts = [
    run.durationMs !== null && duration(run.durationMs, language),
    run.language && spoken(run.language),
    [run.engine, run.model].filter(Boolean).join(' '),
    task === 'translate' && t('options.translate'),
    diarize && t('options.diarize'),
    channels === 'separate' && t('options.channels'),
    hotwords && t('options.hotwords', { count: hotwords.length }),
  ];
  return (
    <p className={styles.facts}>
      {facts
        .filter((fact) => typeof fact === 'string')
        .map((fact) => (
          <span key={fact}>{fact}</span>
        ))}
      <time dateTime={run.createdAt} title={new Date(run.createdAt).toLocaleString(language)}>
        {when(run.createdAt, language)}
      </time>
    </p>
  );
}

function Matches({ run, matches, query }: { run: Run; matches: NonNullable<Run['matches']>; query: string }) {
  const { t } = useTranslation('recordings');
  return (
    <ul className={styles.matches} aria-label={t('matches', { name: run.filename })}>
      {matches.map(({ index, start, text }) => (
        <li key={index}>
          <Link href={`/runs/${run.runId}#t=${Math.floor(start * 10) / 10}`} className={styles.match}>
            <span className={styles.place}>{clock(start)}</span>
            <span>
              <Marked text={text} query={query} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
