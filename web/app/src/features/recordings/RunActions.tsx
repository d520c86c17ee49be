import { useTranslation } from 'react-i18next';
import { may, useSession } from '../../session/session';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';
import styles from './RunActions.module.css';
import { isOpen, type Run } from './runs';
import { type Change, useRunChange } from './useRunChange';

type Props = { run: Run; onAgain: () => void; onDelete: () => void };

/** What can be done with a run in the state that it is in, by who may. */
export function RunActions({ run, onAgain, onDelete }: Props) {
  const { t } = useTranslation('recordings');
  const session = useSession();
  const change = useRunChange(run);
  if (!session || !may(session, 'runs:write')) return null;
  const next: Change | null = isOpen(run) ? 'cancel' : run.status === 'failed' ? 'retry' : null;
  const act = (what: Change) =>
    change.mutate(what, {
      // The button goes; who came by keyboard goes on from the run's name.
      onSuccess: () => document.getElementById(`run-${run.runId}`)?.focus(),
    });
  return (
    <>
      <div className={styles.actions}>
        {next && (
          <Button
            key={next}
            disabled={change.isPending}
            aria-label={t(`actions.${next}Of`, { name: run.filename })}
            onClick={() => act(next)}
          >
            {t(`actions.${next}`)}
          </Button>
        )}
        {!isOpen(run) && run.durationMs !== null && (
          <Button kind="quiet" aria-label={t('actions.againOf', { name: run.filename })} onClick={onAgain}>
            {t('actions.again')}
          </Button>
        )}
        <Button kind="quiet" aria-label={t('actions.deleteOf', { name: run.filename })} onClick={onDelete}>
          {t('actions.delete')}
        </Button>
      </div>
      {change.error && (
        <div className={styles.fault}>
          <Fault error={change.error} />
        </div>
      )}
    </>
  );
}
