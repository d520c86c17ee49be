import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { ApiError } from '../../api/problem';
import { Fault } from '../../ui/Fault';
import { useRun } from './run';
import { Transcript } from './Transcript';

/** The page of a run. */
export default function TranscriptPage({ runId }: { runId: string }) {
  const { t } = useTranslation('transcript');
  const { t: ui } = useTranslation('ui');
  const { run, found, ...followed } = useRun(runId);
  // What was deleted is not shown from memory, either.
  const gone = found.error instanceof ApiError && found.error.status === 404;
  if (run && !gone) return <Transcript run={run} {...followed} />;
  if (!found.error) return <p role="status">{ui('loading')}</p>;
  return (
    <Fault error={found.error}>
      <Link href="/">{t('toRecordings')}</Link>
    </Fault>
  );
}
