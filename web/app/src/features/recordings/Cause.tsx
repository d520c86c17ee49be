import { useTranslation } from 'react-i18next';
import styles from './Cause.module.css';
import { causeOf } from './causes';
import type { Run } from './runs';

/** Why a run failed and what to do, in words; what the server says about it can be opened. */
export function Cause({ error }: { error: NonNullable<Run['error']> }) {
  const { t } = useTranslation('recordings');
  const [what, todo] = causeOf(error.code);
  return (
    <div className={styles.cause}>
      <p>
        <strong>{t(`causes.${what}`)}</strong> {t(`todo.${todo}`)}
      </p>
      <details>
        <summary>{t('detail')}</summary>
        <p>
          {error.message} <code>{error.code}</code>
        </p>
      </details>
    </div>
  );
}
