import { useTranslation } from 'react-i18next';
import styles from './Cause.module.css';
import { causeOf } from './causes';

/** Why a run failed and what to do, in words; what the server says about it can be opened. */
export function Cause({ error }: { error: { code: string; message: string } }) {
  const { t } = useTranslation('ui');
  const [what, remedy] = causeOf(error.code);
  return (
    <div className={styles.cause}>
      <p>
        <strong>{t(`causes.${what}`)}</strong> {t(`remedies.${remedy}`)}
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
