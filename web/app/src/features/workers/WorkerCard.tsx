import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { when } from '../../ui/format';
import { type KnownWorker, nameOf } from './fleet';
import styles from './WorkerCard.module.css';

type Props = { worker: KnownWorker; onStart: () => void; onDrain: () => void };

/** One worker: what it runs, how many of its slots are busy, and what can be told to it. */
export function WorkerCard({ worker, onStart, onDrain }: Props) {
  const { t, i18n } = useTranslation('workers');
  const { id, state, engine, model, slots, lastSeen } = worker;
  const name = nameOf(worker);
  const taking = state === 'running';
  return (
    <li className={styles.worker} data-state={state}>
      <span className={styles.state}>{t(`states.${state}`)}</span>
      <span className={styles.name}>
        <strong>{model ? `${engine} · ${model}` : engine}</strong>
        <code title={id}>{name}</code>
      </span>
      <span className={styles.slots}>
        <span className={styles.dots} aria-hidden="true">
          {Array.from({ length: Math.min(slots, 16) }, (_, place) => (
            <i key={place} className={place < worker.busy ? styles.busy : styles.free} />
          ))}
        </span>
        {t('slots', { busy: worker.busy, count: slots })}
      </span>
      <span className={styles.seen}>
        {t('seen')} <time dateTime={lastSeen}>{when(lastSeen, i18n.language)}</time>
      </span>
      {state !== 'gone' && (
        // One button, which keeps the focus when what it does has changed.
        <Button
          onClick={taking ? onDrain : onStart}
          aria-label={t(taking ? 'drainOne' : 'startOneOf', { name })}
        >
          {t(taking ? 'drain' : 'start')}
        </Button>
      )}
    </li>
  );
}
