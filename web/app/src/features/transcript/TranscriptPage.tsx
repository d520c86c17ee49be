import { useTranslation } from 'react-i18next';

export default function TranscriptPage({ runId }: { runId: string }) {
  const { t } = useTranslation('transcript');
  return <h1 data-run={runId}>{t('title')}</h1>;
}
