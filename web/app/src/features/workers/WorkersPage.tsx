import { useTranslation } from 'react-i18next';

export default function WorkersPage() {
  const { t } = useTranslation('workers');
  return <h1>{t('title')}</h1>;
}
