import { useId } from 'react';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { Fault } from '../../ui/Fault';
import { duration } from '../../ui/format';
import styles from './BacklogSection.module.css';
import { type Sample, useBacklog, useHistory } from './backlog';
import { Chart } from './Chart';
import { HistoryTable } from './HistoryTable';
import page from './WorkersPage.module.css';

/** What waits in each lane, now and during the last day. */
export function BacklogSection() {
  const { t } = useTranslation('workers');
  const now = useBacklog();
  const day = useHistory();
  const error = now.error ?? day.error;
  return (
    <section className={page.section} aria-labelledby="backlog">
      <h2 id="backlog">{t('backlog')}</h2>
      {error && <Fault error={error} />}
      {now.data?.length === 0 && <p className={page.empty}>{t('noLane')}</p>}
      <div className={styles.lanes}>
        {now.data?.map((lane) => (
          <Lane
            key={lane.lane}
            lane={lane}
            history={day.data?.get(lane.lane) ?? []}
            until={day.dataUpdatedAt || now.dataUpdatedAt}
          />
        ))}
      </div>
    </section>
  );
}

type Props = { lane: Schemas['LaneBacklog']; history: Sample[]; until: number };

function Lane({ lane, history, until }: Props) {
  const { t, i18n } = useTranslation('workers');
  const id = useId();
  const time = (seconds: number) => duration(seconds * 1000, i18n.language);
  const webhooks = lane.lane === 'webhook'; // deliveries have no audio
  const many = (count: number) => t(webhooks ? 'deliveries' : 'units', { count });
  const day = { samples: history, until };
  return (
    <article className={styles.lane} aria-labelledby={id}>
      <h3 id={id}>{webhooks ? t('webhooks') : lane.lane.replace('.', ' · ')}</h3>
      <dl className={styles.now}>
        <div>
          <dt>{t('ready')}</dt>
          <dd>{many(lane.ready)}</dd>
        </div>
        <div>
          <dt>{t('running')}</dt>
          <dd>{many(lane.running)}</dd>
        </div>
        {!webhooks && (
          <div>
            <dt>{t('secondsWaiting')}</dt>
            <dd>{time(lane.secondsWaiting)}</dd>
          </div>
        )}
      </dl>
      <Chart measure="ready" {...day} write={many} />
      {!webhooks && <Chart measure="secondsWaiting" {...day} write={time} />}
      <details className={styles.numbers}>
        <summary>{t('asTable')}</summary>
        <HistoryTable
          {...day}
          measures={webhooks ? ['ready', 'running'] : ['ready', 'running', 'secondsWaiting']}
        />
      </details>
    </article>
  );
}
