import { useTranslation } from 'react-i18next';
import { AddRecordings } from '../uploads/AddRecordings';

export function RecordingsPage() {
  const { t } = useTranslation('recordings');
  return (
    <>
      <h1>{t('title')}</h1>
      <AddRecordings />
    </>
  );
}
