import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Fault } from '../../ui/Fault';
import { useSpeakerNames } from './run';
import { Speaker } from './Speaker';
import styles from './SpeakerNames.module.css';
import type { Names } from './speakers';

/** Letters that the server takes. */
const LONGEST = 100;

type Props = { runId: string; labels: readonly string[]; names: Names; onClose: () => void };

/** Where a person says what the speakers are called. */
export function SpeakerNames({ runId, labels, names, onClose }: Props) {
  const { t, i18n } = useTranslation('transcript');
  const [draft, setDraft] = useState(names);
  const { mutate, error } = useSpeakerNames(runId);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    mutate(given(draft), { onSuccess: onClose });
  };
  return (
    <Dialog title={t('speakers.title')} onClose={onClose}>
      <form className={styles.form} onSubmit={submit}>
        <p>{t('speakers.text')}</p>
        {labels.map((label) => (
          <label key={label} className={styles.name}>
            <Speaker label={label} labels={labels} names={{}} t={t} language={i18n.language} />
            <input
              value={draft[label] ?? ''}
              maxLength={LONGEST}
              placeholder={t('speakers.name')}
              onChange={(event) => setDraft({ ...draft, [label]: event.target.value })}
            />
          </label>
        ))}
        {error && <Fault error={error} />}
        <div className={styles.ends}>
          <Button onClick={onClose}>{t('editor.cancel')}</Button>
          <Button kind="primary" type="submit">
            {t('editor.save')}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** All names, for those that are left out are taken away. */
function given(draft: Names): Record<string, string> {
  const named = Object.entries(draft).map(([label, name]) => [label, name.trim()] as const);
  return Object.fromEntries(named.filter(([, name]) => name !== ''));
}
