import { type MouseEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { useQueue, useUploads } from './queueContext';
import styles from './UploadList.module.css';
import { UploadRow } from './UploadRow';
import type { Upload } from './upload';

/** What is being uploaded, at the foot of every page. */
export function UploadList() {
  const { t } = useTranslation('uploads');
  const queue = useQueue();
  const uploads = useUploads();
  const done = uploads.filter(({ state }) => state === 'done').length;
  const clear = ({ currentTarget }: MouseEvent<HTMLElement>) => {
    currentTarget.closest('details')?.querySelector('summary')?.focus(); // for this button goes
    queue.removeDone();
  };
  return (
    <>
      <p role="status" className="visually-hidden">
        <News uploads={uploads} />
      </p>
      {uploads.length > 0 && (
        <section className={styles.panel} aria-label={t('list.title')}>
          <details open>
            <summary>{t('list.summary', { done, count: uploads.length })}</summary>
            <ul className={styles.list}>
              {uploads.map((upload) => (
                <UploadRow key={upload.id} upload={upload} />
              ))}
            </ul>
            {done > 0 && (
              <Button kind="quiet" className={styles.clear} onClick={clear}>
                {t('list.removeDone')}
              </Button>
            )}
          </details>
        </section>
      )}
    </>
  );
}

/** Says what has just ended, or stands still, to those who do not see it; how far uploads are would be too much. */
function News({ uploads }: { uploads: readonly Upload[] }) {
  const { t } = useTranslation('uploads');
  const told = useRef(new Map<string, Upload['state']>());
  const [news, setNews] = useState('');
  useEffect(() => {
    const before = told.current;
    const texts: string[] = [];
    told.current = new Map();
    for (const { id, state, name } of uploads) {
      const last = before.get(id);
      // Between two tries it is sent for a moment, which is no news, nor is the next one that fails.
      const now = state === 'sending' && last === 'delayed' ? last : state;
      told.current.set(id, now);
      if (now !== last && (now === 'done' || now === 'paused' || now === 'delayed'))
        texts.push(t(`news.${now}`, { name }));
    }
    if (texts.length) setNews(texts.join(' '));
  }, [uploads, t]);
  return news;
}
