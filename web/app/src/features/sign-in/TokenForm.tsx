import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '../../api/problem';
import { beginSession } from '../../session/session';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';
import { pastedToken, sessionOf } from './entrance';
import styles from './SignInPage.module.css';

/** Takes a token or an API key; it is kept only after the server has taken it. */
export function TokenForm() {
  const { t } = useTranslation('signIn');
  const id = useId();
  const [text, setText] = useState('');
  const enter = useMutation({ mutationFn: sessionOf, onSuccess: beginSession });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    enter.mutate(pastedToken(text));
  };
  const refused = enter.error instanceof ApiError && enter.error.status === 401;
  return (
    <form className={styles.form} onSubmit={submit}>
      <label htmlFor={id}>{t('token')}</label>
      <input
        id={id}
        type="password"
        autoComplete="off"
        spellCheck={false}
        required
        value={text}
        aria-describedby={`${id}-where`}
        onChange={(event) => setText(event.target.value)}
      />
      <p id={`${id}-where`} className={styles.hint}>
        {t('whereToken')} <code>lingoloop token --sub local</code>
      </p>
      <Button type="submit" kind="primary" disabled={enter.isPending || !text.trim()}>
        {t('enter')}
      </Button>
      {refused ? (
        <p role="alert" className={styles.refused}>
          {t('tokenRefused')}
        </p>
      ) : (
        enter.error && <Fault error={enter.error} />
      )}
    </form>
  );
}
