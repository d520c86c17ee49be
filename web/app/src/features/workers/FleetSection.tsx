import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';
import { DrainDialog } from './DrainDialog';
import { type KnownWorker, type Order, useFleet, useOrder } from './fleet';
import { WorkerCard } from './WorkerCard';
import styles from './WorkersPage.module.css';

/** The workers, with what they do, and the means to let them take work or take no more. */
export function FleetSection() {
  const { t } = useTranslation('workers');
  const { data: workers, error } = useFleet();
  const start = useOrder('start');
  const [draining, setDraining] = useState<KnownWorker | 'all' | null>(null);
  const [told, setTold] = useState<Order | null>(null);
  const tellStart = (id: string | null) => start.mutate(id, { onSuccess: () => setTold('start') });
  return (
    <section className={styles.section} aria-labelledby="fleet">
      <div className={styles.head}>
        <h2 id="fleet">{t('fleet')}</h2>
        {workers && (
          <ForAll workers={workers} onStart={() => tellStart(null)} onDrain={() => setDraining('all')} />
        )}
      </div>
      <p role="status" className={styles.status}>
        {told ? t(`told.${told}`) : ''}
      </p>
      {error && <Fault error={error} />}
      {start.error && <Fault error={start.error} />}
      {workers && !workers.some(isAlive) && <NoWorker />}
      <ul className={styles.list}>
        {workers?.map((worker) => (
          <WorkerCard
            key={worker.id}
            worker={worker}
            onStart={() => tellStart(worker.id)}
            onDrain={() => setDraining(worker)}
          />
        ))}
      </ul>
      {draining && (
        <DrainDialog whom={draining} onClose={() => setDraining(null)} onDone={() => setTold('drain')} />
      )}
    </section>
  );
}

type ForAllProps = { workers: KnownWorker[]; onStart: () => void; onDrain: () => void };

// Never disabled: what all are told counts for workers that start later, too.
function ForAll({ workers, onStart, onDrain }: ForAllProps) {
  const { t } = useTranslation('workers');
  const count = workers.filter(isAlive).length;
  const running = workers.filter(({ state }) => state === 'running').length;
  if (count === 0) return null;
  return (
    <div className={styles.actions}>
      <span className={styles.muted}>{t('taking', { running, count })}</span>
      <Button onClick={onStart}>{t('startAll')}</Button>
      <Button onClick={onDrain}>{t('drainAll')}</Button>
    </div>
  );
}

function NoWorker() {
  const { t } = useTranslation('workers');
  return (
    <div className={styles.empty}>
      <strong>{t('none')}</strong>
      <span>
        {t('startOne')} <code>lingoloop worker</code>
      </span>
    </div>
  );
}

function isAlive({ state }: KnownWorker): boolean {
  return state !== 'gone';
}
