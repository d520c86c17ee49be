import { useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { useTranslation } from 'react-i18next';
import { Heading } from '../../ui/Heading';
import { AddRecordings } from '../uploads/AddRecordings';
import { AgainDialog } from './AgainDialog';
import { DeleteDialog } from './DeleteDialog';
import { Ended } from './Ended';
import styles from './RecordingsPage.module.css';
import { RunList } from './RunList';
import type { Run } from './runs';
import { SearchBar } from './SearchBar';
import { useLiveRuns } from './useLiveRuns';
import { useWanted } from './wanted';

/** What a dialog asks about a run. */
type Asked = { what: 'again' | 'delete'; run: Run };

/** The first page: adding recordings, and what has become of those that are there. */
export function RecordingsPage() {
  const { t } = useTranslation('recordings');
  const [wanted, want] = useWanted();
  const [asked, setAsked] = useState<Asked | null>(null);
  const ended = useLiveRuns();
  const runs = useRef<HTMLElement>(null);
  const close = () => {
    flushSync(() => setAsked(null));
    // The button that opened the dialog went with its row.
    if (document.activeElement === document.body) runs.current?.focus();
  };
  return (
    <div className={styles.page}>
      <Heading>{t('title')}</Heading>
      <AddRecordings />
      <section ref={runs} tabIndex={-1} className={styles.runs} aria-label={t('list')}>
        <SearchBar wanted={wanted} onWant={want} />
        <RunList
          wanted={wanted}
          onShowAll={() => want({ q: '', status: '' })}
          onAgain={(run) => setAsked({ what: 'again', run })}
          onDelete={(run) => setAsked({ what: 'delete', run })}
        />
      </section>
      <Ended runs={ended} />
      {asked?.what === 'again' && <AgainDialog run={asked.run} onClose={close} />}
      {asked?.what === 'delete' && <DeleteDialog run={asked.run} onClose={close} />}
    </div>
  );
}
