import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '../api/problem';
import styles from './Fault.module.css';
import { explained } from './faults';

type Props = { error: Error; children?: ReactNode };

/** Says what went wrong and what to do; `children` are what can be done here. */
export function Fault({ error, children }: Props) {
  const { t } = useTranslation('ui');
  const [what, todo] = explained(error);
  const problem = error instanceof ApiError ? error.problem : null;
  return (
    <div role="alert" className={styles.fault}>
      <strong>{t(`faults.${what}`)}</strong>
      <span>{t(`todo.${todo}`)}</span>
      {problem?.detail && <span className={styles.detail}>{problem.detail}</span>}
      {problem?.requestId && (
        <span className={styles.detail}>{t('requestId', { id: problem.requestId })}</span>
      )}
      {children}
    </div>
  );
}
