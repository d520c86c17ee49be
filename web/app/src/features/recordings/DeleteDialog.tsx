import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Fault } from '../../ui/Fault';
import { bytes, duration } from '../../ui/format';
import styles from './DeleteDialog.module.css';
import type { Run } from './runs';
import { type Audio, type Receipt, useAudio, useDeletion } from './useDeletion';

type Props = { run: Run; onClose: () => void };

/** Says what is removed with a recording, removes it when told to, and shows the receipt. */
export function DeleteDialog({ run, onClose }: Props) {
  const { t } = useTranslation('recordings');
  const { t: ui } = useTranslation('ui');
  const deletion = useDeletion(run.audioId);
  return deletion.data ? (
    <Dialog key="done" title={t('deletion.done')} onClose={onClose}>
      <Removed receipt={deletion.data} />
      <div className={styles.actions}>
        <Button kind="primary" onClick={onClose}>
          {ui('close')}
        </Button>
      </div>
    </Dialog>
  ) : (
    <Dialog key="ask" title={t('deletion.title', { name: run.filename })} onClose={onClose}>
      <Question run={run} deletion={deletion} onKeep={onClose} />
    </Dialog>
  );
}

type Question = { run: Run; deletion: ReturnType<typeof useDeletion>; onKeep: () => void };

function Question({ run, deletion, onKeep }: Question) {
  const { t } = useTranslation('recordings');
  const { t: ui } = useTranslation('ui');
  const audio = useAudio(run.audioId);
  const error = deletion.error ?? audio.error;
  return (
    <>
      {audio.data ? <ToBeRemoved audio={audio.data} /> : audio.isPending && <p>{ui('loading')}</p>}
      {error && <Fault error={error} />}
      <div className={styles.actions}>
        <Button onClick={onKeep}>{t('deletion.keep')}</Button>
        <Button kind="danger" disabled={!audio.data || deletion.isPending} onClick={() => deletion.mutate()}>
          {t(deletion.isPending ? 'deletion.running' : 'deletion.confirm')}
        </Button>
      </div>
    </>
  );
}

function ToBeRemoved({ audio }: { audio: Audio }) {
  const { t, i18n } = useTranslation('recordings');
  const { language } = i18n;
  const facts = [
    audio.sizeBytes === null ? '' : bytes(audio.sizeBytes, language),
    audio.durationMs === null ? '' : duration(audio.durationMs, language),
  ].filter(Boolean);
  const underWay = audio.runs.some(({ status }) => status === 'queued' || status === 'processing');
  return (
    <>
      <p>{t('deletion.what')}</p>
      <ul className={styles.things}>
        <li>
          {facts.length ? t('deletion.audioOf', { facts: listed(facts, language) }) : t('deletion.audio')}
        </li>
        <li>{t('deletion.runs', { count: audio.runs.length })}</li>
        <li>{t('deletion.events')}</li>
      </ul>
      {underWay && <p>{t('deletion.underWay')}</p>}
      <p>
        <strong>{t('deletion.final')}</strong>
      </p>
    </>
  );
}

function listed(facts: string[], language: string): string {
  return new Intl.ListFormat(language, { style: 'narrow' }).format(facts);
}

function Removed({ receipt }: { receipt: Receipt }) {
  const { t, i18n } = useTranslation('recordings');
  const { runs, segments, events, sizeBytes, id } = receipt;
  const number = new Intl.NumberFormat(i18n.language);
  return (
    <>
      <ul className={styles.things}>
        {sizeBytes !== null && <li>{t('receipt.bytes', { size: bytes(sizeBytes, i18n.language) })}</li>}
        <li>{t('receipt.runs', { count: runs, number: number.format(runs) })}</li>
        <li>{t('receipt.segments', { count: segments, number: number.format(segments) })}</li>
        <li>{t('receipt.events', { count: events, number: number.format(events) })}</li>
      </ul>
      <p className={styles.receipt}>{t('receipt.id', { id })}</p>
    </>
  );
}
