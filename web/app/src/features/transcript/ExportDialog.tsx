import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Fault } from '../../ui/Fault';
import styles from './ExportDialog.module.css';
import { ticketed } from './tickets';

const FORMATS = ['txt', 'docx', 'srt', 'vtt', 'json'] as const;

type Props = { runId: string; whole: boolean; onClose: () => void };

/** Offers the transcript as a file in each format. */
export function ExportDialog({ runId, whole, onClose }: Props) {
  const { t } = useTranslation('transcript');
  const { t: ui } = useTranslation('ui');
  const [original, setOriginal] = useState(false);
  const download = useMutation({
    mutationFn: async (fmt: string) =>
      save(await ticketed(`/api/runs/${runId}/export`, original ? { fmt, original: '1' } : { fmt })),
  });
  return (
    <Dialog title={t('export.title')} onClose={onClose}>
      <p>{t(original ? 'export.machine' : 'export.edited')}</p>
      {!whole && <p>{t('export.part')}</p>}
      <ul className={styles.formats}>
        {FORMATS.map((format) => (
          <li key={format}>
            <Button onClick={() => download.mutate(format)} disabled={download.isPending}>
              <strong>{format.toUpperCase()}</strong>
              <span>{t(`export.formats.${format}`)}</span>
            </Button>
          </li>
        ))}
      </ul>
      <label className={styles.original}>
        <input type="checkbox" checked={original} onChange={(event) => setOriginal(event.target.checked)} />
        {t('export.original')}
      </label>
      {download.error && <Fault error={download.error} />}
      <div className={styles.end}>
        <Button onClick={onClose}>{ui('close')}</Button>
      </div>
    </Dialog>
  );
}

/** Let the browser store a file as it comes, however long it is. */
function save(address: string): void {
  const link = document.createElement('a');
  link.href = address;
  link.download = '';
  link.click();
}
