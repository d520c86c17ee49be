import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { api, body } from '../../api/client';
import { Button } from '../../ui/Button';
import { duration, languageName, when } from '../../ui/format';
import { Heading } from '../../ui/Heading';
import { CopyButton } from './CopyButton';
import { ExportDialog } from './ExportDialog';
import styles from './RunHead.module.css';
import type { Run } from './run';
import { SpeakerNames } from './SpeakerNames';

type Props = { run: Run; labels: readonly string[]; hasText: boolean; mayWrite: boolean };

/** What the recording is, and what can be done with all of its text. */
export function RunHead({ run, labels, hasText, mayWrite }: Props) {
  const { t, i18n } = useTranslation('transcript');
  const [dialog, setDialog] = useState<'export' | 'speakers' | null>(null);
  const close = () => setDialog(null);
  const facts = [
    run.durationMs !== null && duration(run.durationMs, i18n.language),
    run.language !== null && languageName(run.language, i18n.language),
    when(run.createdAt, i18n.language),
  ].filter((fact) => fact !== false);
  return (
    <header className={styles.head}>
      <Link href="/" className={styles.back}>
        {t('toRecordings')}
      </Link>
      <Heading>{run.filename}</Heading>
      <p className={styles.facts}>{facts.join(' · ')}</p>
      {hasText && (
        <div className={styles.actions}>
          <Button onClick={() => setDialog('export')}>{t('export.open')}</Button>
          <CopyButton text={() => plainText(run.id)}>{t('copyAll')}</CopyButton>
          {mayWrite && labels.length > 0 && (
            <Button kind="quiet" onClick={() => setDialog('speakers')}>
              {t('speakers.open')}
            </Button>
          )}
        </div>
      )}
      {dialog === 'export' && (
        <ExportDialog runId={run.id} whole={run.status === 'succeeded'} onClose={close} />
      )}
      {dialog === 'speakers' && (
        <SpeakerNames runId={run.id} labels={labels} names={run.speakers} onClose={close} />
      )}
    </header>
  );
}

/** The text in paragraphs, as the export has it. */
async function plainText(runId: string): Promise<string> {
  const params = { path: { run_id: runId }, query: { fmt: 'txt' as const } };
  return body(await api.GET('/api/runs/{run_id}/export', { params, parseAs: 'text' }));
}
