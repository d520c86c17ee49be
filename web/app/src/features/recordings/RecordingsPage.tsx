import { useTranslation } from 'react-i18next';

export function RecordingsPage() {
  const { t } = useTranslation('recordings');
  return <h1>{t('title')}</h1>;
}
