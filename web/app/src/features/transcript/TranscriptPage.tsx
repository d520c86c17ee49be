import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { Fault } from '../../ui/Fault';
import { useRun } from './run';
import { Transcript } from './Transcript';

/** The page of a run. */
export default function TranscriptPage({ runId }: { runId: string }) {
  const { t } = useTranslation('transcript');
  const { t: ui } = useTranslation('ui');
  const { run, found, ...followed } = useRun(runId);
  if (run) return <Transcript run={run} {...followed} />;
  if (!found.error) return <p role="status">{ui('loading')}</p>;
  return (
    <Fault error={found.error}>
      <Link href="/">{t('toRecordings')}</Link>
    </Fault>
  );
}
