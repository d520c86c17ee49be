import { useQuery } from '@tanstack/react-query';
import { type ChangeEvent, type MouseEvent, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';
import { ApiError } from '../../api/problem';
import { settingsQuery } from '../../api/settings';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';
import { explained } from '../../ui/faults';
import { bytes, percent, timeLeft } from '../../ui/format';
import { useQueue } from './queueContext';
import { worthAnotherTry } from './retries';
import styles from './UploadList.module.css';
import type { Upload } from './upload';

/** An upload: how far it is, and what can be done about it. */
export function UploadRow({ upload }: { upload: Upload }) {
  const { t } = useTranslation('uploads');
  const { state, name, error } = upload;
  return (
    <li className={styles.row} data-state={state}>
      <span className={styles.name}>{name}</span>
      <Actions upload={upload} />
      {state === 'sending' && (
        <progress
          className={styles.progress}
          aria-label={t('row.progress', { name })}
          max={1}
          {...(upload.size ? { value: upload.sent / upload.size } : {})}
        />
      )}
      {state === 'failed' && error ? (
        <div className={styles.fault}>
          <Fault error={error}>
            <TooLarge upload={upload} />
          </Fault>
        </div>
      ) : (
        <p className={styles.state}>
          <StateText upload={upload} />
        </p>
      )}
    </li>
  );
}

/** Says by how much a file is too large, where that was seen before it was sent. */
function TooLarge({ upload: { error, size } }: { upload: Upload }) {
  const { t, i18n } = useTranslation('uploads');
  const limits = useQuery(settingsQuery).data?.limits;
  if (!limits || !size || !(error instanceof ApiError) || error.problem.code !== 'too_large') return null;
  const [has, most] = [bytes(size, i18n.language), bytes(limits.uploadBytes, i18n.language)];
  return <span>{t('row.tooLarge', { size: has, most })}</span>;
}

function StateText({ upload }: { upload: Upload }) {
  const { t, i18n } = useTranslation(['uploads', 'ui']);
  const { t: inUi } = useTranslation('ui');
  const { state, sent, size, secondsLeft, error, retryAt } = upload;
  const share = percent(size ? (100 * sent) / size : 0, i18n.language);
  switch (state) {
    case 'waiting':
      return t('row.waiting');
    case 'paused':
      return t('row.paused', { share });
    case 'missing':
      return t('row.missing', { share });
    case 'done':
      return upload.reused ? t('row.reused') : t('row.done');
    case 'delayed': {
      const at = new Date(retryAt ?? 0).toLocaleTimeString(i18n.language);
      return `${error ? inUi(`faults.${explained(error)[0]}`) : ''} ${t('row.nextTry', { at })}`;
    }
    default: {
      if (size === null) return t('row.asking');
      if (sent === size) return t('row.looking');
      const [have, all] = [bytes(sent, i18n.language), bytes(size, i18n.language)];
      const left = secondsLeft === null ? '' : ` · ${timeLeft(secondsLeft, inUi)}`;
      return `${t('row.sent', { have, all })} · ${share}${left}`;
    }
  }
}

function Actions({ upload }: { upload: Upload }) {
  const { t } = useTranslation('uploads');
  const queue = useQueue();
  const { id, state, runId, name } = upload;
  const hidden = <span className="visually-hidden"> {name}</span>;
  const main = mainAction(upload);
  const remove = ({ currentTarget }: MouseEvent<HTMLElement>) => {
    currentTarget.closest('details')?.querySelector('summary')?.focus(); // for this button goes
    queue.remove(id);
  };
  return (
    <span className={styles.actions}>
      {state === 'done' && runId && (
        <Link href={`/runs/${runId}`}>
          {t('row.actions.open')}
          {hidden}
        </Link>
      )}
      {state === 'missing' && <ChooseAgain upload={upload} />}
      {main && (
        <Button kind="quiet" onClick={() => queue[main.does](id)}>
          {t(`row.actions.${main.name}`)}
          {hidden}
        </Button>
      )}
      <Button kind="quiet" onClick={remove}>
        {t(state === 'done' || state === 'failed' ? 'row.actions.remove' : 'row.actions.cancel')}
        {hidden}
      </Button>
    </span>
  );
}

/** Return what can be done about an upload: one button, which keeps the focus while it changes. */
function mainAction({ state, size, reused, error }: Upload) {
  switch (state) {
    case 'waiting':
    case 'sending':
      return size === null ? null : ({ name: 'pause', does: 'pause' } as const);
    case 'paused':
      return { name: 'resume', does: 'resume' } as const;
    case 'delayed':
      return { name: 'tryNow', does: 'resume' } as const;
    case 'failed':
      return error && worthAnotherTry(error) ? ({ name: 'tryAgain', does: 'resume' } as const) : null;
    case 'done':
      return reused ? ({ name: 'again', does: 'again' } as const) : null;
    default:
      return null;
  }
}

/** Asks for the file with which an upload was begun; a page that was loaded anew has no way to it. */
function ChooseAgain({ upload }: { upload: Upload }) {
  const { t, i18n } = useTranslation('uploads');
  const queue = useQueue();
  const input = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState('');
  const choose = (event: ChangeEvent<HTMLInputElement>) => {
    const file = event.target.files?.[0];
    event.target.value = '';
    if (file && !queue.choose(upload.id, file)) setWrong(file.name);
  };
  const size = bytes(upload.size ?? 0, i18n.language);
  return (
    <>
      <input ref={input} type="file" hidden onChange={choose} />
      {wrong && (
        <span role="alert" className={styles.wrong}>
          {t('row.otherFile', { other: wrong, name: upload.name, size })}
        </span>
      )}
      <Button onClick={() => input.current?.click()}>
        {t('row.actions.choose')}
        <span className="visually-hidden"> {upload.name}</span>
      </Button>
    </>
  );
}
