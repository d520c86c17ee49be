import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Fault } from '../../ui/Fault';
import styles from './WorkersPage.module.css';

type Props = {
  title: string;
  action: string;
  busy: boolean;
  error: Error | null;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
};

/** Asks once more before something is done; stays open while it is done, and says why it failed. */
export function Confirm({ title, action, busy, error, onConfirm, onClose, children }: Props) {
  const { t } = useTranslation('ui');
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      {error && <Fault error={error} />}
      <div className={styles.actions}>
        <Button kind="primary" disabled={busy} onClick={onConfirm}>
          {action}
        </Button>
        <Button onClick={onClose}>{t('cancel')}</Button>
      </div>
    </Dialog>
  );
}
