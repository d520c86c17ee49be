import { useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { useTranslation } from 'react-i18next';
import { AddRecordings } from '../uploads/AddRecordings';
import { DeleteDialog } from './DeleteDialog';
import { Ended } from './Ended';
import styles from './RecordingsPage.module.css';
import { RunList } from './RunList';
import type { Run } from './runs';
import { SearchBar } from './SearchBar';
import { useLiveRuns } from './useLiveRuns';
import { useWanted } from './wanted';

/** The first page: adding recordings, and what has become of those that are there. */
export function RecordingsPage() {
  const { t } = useTranslation('recordings');
  const [wanted, want] = useWanted();
  const [deleting, setDeleting] = useState<Run | null>(null);
  const ended = useLiveRuns();
  const runs = useRef<HTMLElement>(null);
  const close = () => {
    flushSync(() => setDeleting(null));
    // The button that opened the dialog went with its row.
    if (document.activeElement === document.body) runs.current?.focus();
  };
  return (
    <div className={styles.page}>
      <h1>{t('title')}</h1>
      <AddRecordings />
      <section ref={runs} tabIndex={-1} className={styles.runs} aria-label={t('list')}>
        <SearchBar wanted={wanted} onWant={want} />
        <RunList wanted={wanted} onShowAll={() => want({ q: '', status: '' })} onDelete={setDeleting} />
      </section>
      <Ended runs={ended} />
      {deleting && <DeleteDialog run={deleting} onClose={close} />}
    </div>
  );
}
