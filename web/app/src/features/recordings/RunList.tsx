import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';
import styles from './RunList.module.css';
import { RunRow } from './RunRow';
import { type Run, runList, runsOf } from './runs';
import type { Wanted } from './wanted';

type Props = {
  wanted: Wanted;
  onShowAll: () => void;
  onAgain: (run: Run) => void;
  onDelete: (run: Run) => void;
};

/** The runs that are wanted, the newest first; or why there are none. */
export function RunList({ wanted, onShowAll, onAgain, onDelete }: Props) {
  const { t } = useTranslation('recordings');
  const { t: ui } = useTranslation('ui');
  const list = useInfiniteQuery(runList(wanted));
  const runs = runsOf(list.data);
  // Where there is nothing to show, a person need not wait for the last try to learn that the first ones failed.
  const error = list.error ?? (list.isPending ? list.failureReason : null);
  const showMore = async () => {
    const { data } = await list.fetchNextPage();
    const next = runsOf(data)[runs.length];
    // Who came by keyboard goes on where the new ones begin; the button may be gone.
    if (next) setTimeout(() => document.getElementById(`run-${next.runId}`)?.focus({ preventScroll: true }));
  };
  return (
    <>
      {error && (
        <Fault error={error}>
          <Button onClick={() => void list.refetch()}>{ui('tryAgain')}</Button>
        </Fault>
      )}
      {list.isPending && !error && <Skeleton />}
      {runs.length > 0 && (
        <ul className={styles.list} aria-busy={list.isPlaceholderData}>
          {runs.map((run) => (
            <RunRow
              key={run.runId}
              run={run}
              query={wanted.q}
              onAgain={() => onAgain(run)}
              onDelete={() => onDelete(run)}
            />
          ))}
        </ul>
      )}
      {list.isSuccess && runs.length === 0 && <Nothing wanted={wanted} onShowAll={onShowAll} />}
      {list.hasNextPage && (
        <Button
          className={styles.more}
          aria-disabled={list.isFetchingNextPage}
          onClick={() => void showMore()}
        >
          {list.isFetchingNextPage ? ui('loading') : t('more')}
        </Button>
      )}
    </>
  );
}

function Nothing({ wanted, onShowAll }: Pick<Props, 'wanted' | 'onShowAll'>) {
  const { t } = useTranslation('recordings');
  if (!wanted.q && !wanted.status) {
    return (
      <Note title={t('empty.title')}>
        <p>{t('empty.todo')}</p>
      </Note>
    );
  }
  return (
    <Note title={wanted.q ? t('nothing.said', { q: wanted.q }) : t('nothing.status')}>
      {wanted.q && <p>{t('nothing.todo')}</p>}
      <Button onClick={onShowAll}>{t('nothing.all')}</Button>
    </Note>
  );
}

function Note({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className={styles.note}>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

const ROWS = ['a', 'b', 'c', 'd', 'e'];

/** Rows as high as those to come, so that nothing moves when they do. */
function Skeleton() {
  const { t } = useTranslation('ui');
  return (
    <>
      <p role="status" className="visually-hidden">
        {t('loading')}
      </p>
      <ul className={styles.list} aria-hidden="true">
        {ROWS.map((row) => (
          <li key={row} className={styles.ghost}>
            <span />
            <span />
          </li>
        ))}
      </ul>
    </>
  );
}
