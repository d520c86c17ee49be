import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';

export function NotFound() {
  const { t } = useTranslation('shell');
  return (
    <>
      <h1>{t('notFound')}</h1>
      <p>
        <Link href="/">{t('toRecordings')}</Link>
      </p>
    </>
  );
}
