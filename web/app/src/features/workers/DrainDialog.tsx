import { useTranslation } from 'react-i18next';
import { Confirm } from './Confirm';
import { type KnownWorker, nameOf, useOrder } from './fleet';

type Props = { whom: KnownWorker | 'all'; onClose: () => void; onDone: () => void };

/** Says what draining means before one worker, or all, are told to. */
export function DrainDialog({ whom, onClose, onDone }: Props) {
  const { t } = useTranslation('workers');
  const drain = useOrder('drain');
  const all = whom === 'all';
  const done = () => {
    onDone();
    onClose();
  };
  return (
    <Confirm
      title={all ? t('drainAllTitle') : t('drainTitle', { name: nameOf(whom) })}
      action={t('drain')}
      busy={drain.isPending}
      error={drain.error}
      onConfirm={() => drain.mutate(all ? null : whom.id, { onSuccess: done })}
      onClose={onClose}
    >
      <p>{t(all ? 'drainAllMeans' : 'drainMeans')}</p>
      {all && <p>{t('laterOnes')}</p>}
    </Confirm>
  );
}
