import { useTranslation } from 'react-i18next';
import { may, useSession } from '../../session/session';
import { BacklogSection } from './BacklogSection';
import { FleetSection } from './FleetSection';
import { LettersSection } from './LettersSection';
import styles from './WorkersPage.module.css';

/** For operators: the workers, what waits for them, and what failed for good. */
export default function WorkersPage() {
  const { t } = useTranslation('workers');
  const session = useSession();
  if (!session || !may(session, 'admin')) {
    return (
      <div className={styles.page}>
        <h1>{t('title')}</h1>
        <p>{t('operatorsOnly')}</p>
        <p className={styles.muted}>
          {t('whereAdmin')} <code>lingoloop token --sub local --scope "runs:read runs:write admin"</code>
        </p>
      </div>
    );
  }
  return (
    <div className={styles.page}>
      <h1>{t('title')}</h1>
      <FleetSection />
      <BacklogSection />
      <LettersSection />
    </div>
  );
}
