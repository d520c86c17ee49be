import { useQuery } from '@tanstack/react-query';
import { type ChangeEvent, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { settingsQuery } from '../../api/settings';
import { may, useSession } from '../../session/session';
import { Button } from '../../ui/Button';
import { bytes } from '../../ui/format';
import styles from './AddRecordings.module.css';
import { type Dropped, useDrop } from './drop';
import { engineOf, useEngines } from './engines';
import { LinkForm } from './LinkForm';
import { OptionsForm } from './OptionsForm';
import { fieldsOf, keepOptions, keptOptions, type Options } from './options';
import { useQueue } from './queueContext';
import { Recorder } from './Recorder';
import type { Source } from './upload';

/** The ways to add recordings: drop or choose files, record, or give an address; and how they are to be transcribed. */
export function AddRecordings() {
  const session = useSession();
  return session && may(session, 'runs:write') ? <Ways owner={session.owner} /> : null;
}

function Ways({ owner }: { owner: string }) {
  const { t, i18n } = useTranslation('uploads');
  const queue = useQueue();
  const engines = useEngines();
  const limits = useQuery(settingsQuery).data?.limits;
  const [options, setOptions] = useState(() => keptOptions(owner));
  const [note, setNote] = useState('');
  const engine = engineOf(engines, options.lane);

  const choose = (next: Options) => {
    setOptions(next);
    keepOptions(owner, next);
  };
  const add = (sources: Source[], folders = 0) => {
    const tooMany = queue.add(sources, fieldsOf(options, engine));
    const notes = [tooMany && t('tooMany', { count: tooMany }), folders && t('folders')];
    setNote(notes.filter(Boolean).join(' '));
  };
  const addDropped = ({ files, folders }: Dropped) => add(files.map(onDisk), folders);
  const dragging = useDrop(addDropped);

  return (
    <section className={styles.add} aria-labelledby="add-recordings">
      <h2 id="add-recordings">{t('title')}</h2>
      <div className={styles.target} data-dragging={dragging}>
        <p>{dragging ? t('dropNow') : t('drop')}</p>
        <div className={styles.ways}>
          <ChooseFiles onFiles={(files) => add(files.map(onDisk))} />
          <Recorder
            most={limits?.uploadBytes ?? Number.POSITIVE_INFINITY}
            onFile={(file) => add([{ kind: 'file', file, onDisk: false }])}
          />
        </div>
        {limits && (
          <p className={styles.hint}>{t('upTo', { size: bytes(limits.uploadBytes, i18n.language) })}</p>
        )}
        <p role="status" className={styles.hint}>
          {note}
        </p>
      </div>
      <LinkForm onLink={(url) => add([{ kind: 'link', url }])} />
      <OptionsForm options={options} onChange={choose} engines={engines} engine={engine} />
    </section>
  );
}

function ChooseFiles({ onFiles }: { onFiles: (files: File[]) => void }) {
  const { t } = useTranslation('uploads');
  const input = useRef<HTMLInputElement>(null);
  const choose = (event: ChangeEvent<HTMLInputElement>) => {
    onFiles([...(event.target.files ?? [])]);
    event.target.value = ''; // so that the same file may be chosen again
  };
  return (
    <>
      <input ref={input} type="file" multiple hidden accept="audio/*,video/*" onChange={choose} />
      <Button kind="primary" onClick={() => input.current?.click()}>
        {t('choose')}
      </Button>
    </>
  );
}

const onDisk = (file: File): Source => ({ kind: 'file', file, onDisk: true });
