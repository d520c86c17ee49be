import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { Heading } from '../ui/Heading';

export function NotFound() {
  const { t } = useTranslation('shell');
  return (
    <>
      <Heading>{t('notFound')}</Heading>
      <p>
        <Link href="/">{t('toRecordings')}</Link>
      </p>
    </>
  );
}
