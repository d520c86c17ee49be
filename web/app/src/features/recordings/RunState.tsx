import { useTranslation } from 'react-i18next';
import { percent, timeLeft } from '../../ui/format';
import styles from './RunState.module.css';
import { isOpen, type Run, wasCanceled } from './runs';

/** How far a run is, in words and, while it is under way, as a bar. */
export function RunState({ run }: { run: Run }) {
  const { t, i18n } = useTranslation('recordings');
  const state = wasCanceled(run) ? 'canceled' : run.status;
  return (
    <div className={styles.state}>
      <p className={styles.line}>
        <strong className={styles[state]}>{t(`states.${state}`)}</strong>
        {run.status === 'processing' && <span>{percent(run.progress, i18n.language)}</span>}
      </p>
      {isOpen(run) && (
        <>
          <progress
            className={styles.bar}
            max={100}
            value={run.progress}
            aria-label={t('progress', { name: run.filename })}
          />
          <p className={styles.rest}>
            <Rest run={run} />
          </p>
        </>
      )}
    </div>
  );
}

/** What is still to come: the place in the queue, then the time left; a space where neither is known, so that nothing moves. */
function Rest({ run }: { run: Run }) {
  const { t } = useTranslation('recordings');
  const { t: ui } = useTranslation('ui');
  const { queuePosition: place, estimatedTimeRemaining: seconds } = run;
  const parts = [
    run.status === 'queued' && place !== null && t('place', { place }),
    seconds !== null && timeLeft(seconds, ui),
  ];
  return parts.filter(Boolean).join(' · ') || '\u00a0';
}
