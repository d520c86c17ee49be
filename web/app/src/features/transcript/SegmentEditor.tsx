import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { clock } from '../../ui/format';
import type { Editing } from './editing';
import type { Playback } from './playback';
import styles from './SegmentEditor.module.css';
import { type Names, nameOf, newLabel } from './speakers';
import { useOriginal } from './transcript';

/** Letters that the server takes. */
const LONGEST = 5_000;

type Props = {
  editing: Editing;
  runId: string;
  labels: readonly string[];
  names: Names;
  playback: Playback;
};

/** Where a person writes what was really said, and by whom. */
export function SegmentEditor({ editing, runId, labels, names, playback }: Props) {
  const { t, i18n } = useTranslation('transcript');
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const [draft, setDraft] = useState(editing.open?.draft ?? { text: '', speaker: null });
  const before = editing.open?.before;
  const { data: machine } = useOriginal(runId, before?.index ?? 0, before?.edited === true);
  useEffect(() => {
    field.current?.focus({ preventScroll: true });
    field.current?.form?.scrollIntoView({ block: 'nearest' });
  }, []);
  if (!before) return null;
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'Escape') editing.close();
    else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) editing.save(draft);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    editing.save(draft);
  };
  return (
    <form
      className={styles.editor}
      aria-label={t('editAt', { at: clock(before.start) })}
      onSubmit={submit}
      onKeyDown={keys}
    >
      <textarea
        ref={field}
        aria-label={t('editor.text')}
        maxLength={LONGEST}
        value={draft.text}
        onChange={(event) => setDraft({ ...draft, text: event.target.value })}
      />
      {machine && (
        <p className={styles.machine}>
          <span lang={i18n.language}>{t('editor.machine')}</span> <q>{machine.text}</q>
        </p>
      )}
      <div className={styles.actions} lang={i18n.language}>
        <label htmlFor={id}>{t('editor.speaker')}</label>
        <select
          id={id}
          value={draft.speaker ?? ''}
          onChange={(event) => setDraft({ ...draft, speaker: event.target.value || null })}
        >
          <option value="">{t('editor.nobody')}</option>
          {choices(labels, before.speaker, draft.speaker).map((label) => (
            <option key={label} value={label}>
              {nameOf(label, names, t)}
            </option>
          ))}
        </select>
        <Button kind="quiet" onClick={() => playback.playFrom(before.start)}>
          {t('editor.hear')}
        </Button>
        {machine && (
          <Button kind="quiet" onClick={() => editing.restore(machine)}>
            {t('editor.restore')}
          </Button>
        )}
        <span className={styles.ends}>
          <Button onClick={editing.close}>{t('editor.cancel')}</Button>
          <Button kind="primary" type="submit">
            {t('editor.save')}
          </Button>
        </span>
      </div>
      <p className={styles.hint} lang={i18n.language}>
        {t('editor.hint')}
      </p>
    </form>
  );
}

/** Everybody who speaks, and one more; a channel says where one speaks, not who. */
function choices(labels: readonly string[], ...also: (string | null | undefined)[]): string[] {
  const people = [...labels, ...also].filter((label) => label && !/^Channel \d+$/.test(label)) as string[];
  return [...new Set([...people, newLabel(people)])];
}
