import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Cause } from '../../ui/Cause';
import { Fault } from '../../ui/Fault';
import { percent, timeLeft } from '../../ui/format';
import styles from './RunState.module.css';
import type { Run, useRun } from './run';

type Props = Pick<ReturnType<typeof useRun>, 'trouble' | 'cancel' | 'retry'> & {
  run: Run;
  mayWrite: boolean;
};

/** How far the run is, or why it failed, and what can be done about it. Nothing once it has succeeded. */
export function RunState({ run, trouble, cancel, retry, mayWrite }: Props) {
  const { t } = useTranslation('transcript');
  if (run.status === 'succeeded') return null;
  const failed = run.status === 'failed';
  const cancelling = cancel.isPending || cancel.isSuccess;
  const error = failed ? retry.error : cancel.error; // what could not be done before is over
  return (
    <>
      {failed ? (
        <Failure run={run}>
          {mayWrite && (
            <Button kind="primary" onClick={() => retry.mutate()} disabled={retry.isPending}>
              {t(run.error?.code === 'canceled' ? 'failed.goOn' : 'failed.retry')}
            </Button>
          )}
        </Failure>
      ) : (
        <Progress run={run} interrupted={trouble !== null}>
          {mayWrite && (
            <Button onClick={() => cancel.mutate()} disabled={cancelling}>
              {t(cancelling ? 'progress.cancelling' : 'progress.cancel')}
            </Button>
          )}
        </Progress>
      )}
      {error && <Fault error={error} />}
    </>
  );
}

type ProgressProps = { run: Run; interrupted: boolean; children: React.ReactNode };

function Progress({ run, interrupted, children }: ProgressProps) {
  const { t, i18n } = useTranslation('transcript');
  const { t: ui } = useTranslation('ui');
  const { status, progress, queuePosition, estimatedTimeRemaining: left, chunksDone, chunksTotal } = run;
  const facts = [
    queuePosition !== null && status === 'queued' && t('progress.place', { place: queuePosition }),
    status === 'processing' && percent(progress, i18n.language),
    chunksTotal !== null && t('progress.chunks', { done: chunksDone, count: chunksTotal }),
    left !== null && timeLeft(left, ui),
  ].filter((fact) => fact !== false);
  return (
    <section className={styles.state} aria-label={t('progress.title')}>
      <div className={styles.line}>
        <strong role="status">{t(status === 'queued' ? 'progress.queued' : 'progress.processing')}</strong>
        <span className={styles.facts}>{facts.join(' · ')}</span>
        {children}
      </div>
      <progress max={100} value={progress} aria-label={t('progress.title')} />
      {interrupted && <p className={styles.note}>{t('progress.interrupted')}</p>}
    </section>
  );
}

function Failure({ run, children }: { run: Run; children: React.ReactNode }) {
  const { t } = useTranslation('transcript');
  const { t: ui } = useTranslation('ui');
  const canceled = run.error?.code === 'canceled';
  return (
    <section
      className={canceled ? styles.state : `${styles.state} ${styles.bad}`}
      aria-label={t('failed.title')}
    >
      <div className={styles.line}>
        <strong role="status">{t(canceled ? 'failed.canceled' : 'failed.title')}</strong>
        {children}
      </div>
      {canceled ? <p>{ui('remedies.goOn')}</p> : run.error && <Cause error={run.error} />}
    </section>
  );
}
