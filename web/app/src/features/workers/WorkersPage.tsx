import { useTranslation } from 'react-i18next';
import { may, useSession } from '../../session/session';
import { Heading } from '../../ui/Heading';
import { BacklogSection } from './BacklogSection';
import { useBacklog } from './backlog';
import { FleetSection } from './FleetSection';
import { useFleet } from './fleet';
import { LettersSection } from './LettersSection';
import styles from './WorkersPage.module.css';

/** For operators: the workers, what waits for them, and what failed for good. */
export default function WorkersPage() {
  const { t } = useTranslation('workers');
  const session = useSession();
  if (!session || !may(session, 'admin')) {
    return (
      <div className={styles.page}>
        <Heading>{t('title')}</Heading>
        <p>{t('operatorsOnly')}</p>
        <p className={styles.muted}>
          {t('whereAdmin')} <code>lingoloop token --sub local --scope "runs:read runs:write admin"</code>
        </p>
      </div>
    );
  }
  return (
    <div className={styles.page}>
      <Heading>{t('title')}</Heading>
      <Sections />
    </div>
  );
}

/** All sections once the upper two are read: a later one would push those below it away from who looks at them. */
function Sections() {
  const { t } = useTranslation('ui');
  const reading = [useFleet().isPending, useBacklog().isPending].some(Boolean);
  if (reading) return <p role="status">{t('loading')}</p>;
  return (
    <>
      <FleetSection />
      <BacklogSection />
      <LettersSection />
    </>
  );
}
