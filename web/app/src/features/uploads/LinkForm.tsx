import { type FormEvent, useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import styles from './AddRecordings.module.css';
import { addressIn } from './address';

/** Takes the address of a recording, which the server then fetches. */
export function LinkForm({ onLink }: { onLink: (url: string) => void }) {
  const { t } = useTranslation('uploads');
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  const id = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const url = addressIn(text);
    setWrong(!url);
    if (!url) return;
    onLink(url);
    setText('');
  };
  return (
    <form className={styles.link} onSubmit={submit} noValidate>
      <label htmlFor={id}>{t('link.label')}</label>
      <input
        id={id}
        type="url"
        inputMode="url"
        placeholder="https://"
        value={text}
        onChange={(event) => setText(event.target.value)}
        aria-invalid={wrong}
        aria-describedby={`${id}-hint`}
      />
      <Button type="submit">{t('link.fetch')}</Button>
      <p id={`${id}-hint`} className={wrong ? styles.wrong : styles.hint} role={wrong ? 'alert' : undefined}>
        {wrong ? t('link.wrong') : t('link.hint')}
      </p>
    </form>
  );
}
