import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import styles from './UnsureSwitch.module.css';

const KEY = 'lingoloop.unsure';

/** Whether words of which the machine is not sure are marked, and how that is changed; it is kept. */
export function useUnsure(): [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(() => localStorage.getItem(KEY) !== 'off');
  const change = (next: boolean) => {
    localStorage.setItem(KEY, next ? 'on' : 'off');
    setOn(next);
  };
  return [on, change];
}

type Props = { on: boolean; onChange: (on: boolean) => void };

/** Turns the marks on and off, and says what they mean. */
export function UnsureSwitch({ on, onChange }: Props) {
  const { t } = useTranslation('transcript');
  return (
    <label className={styles.switch} title={t('unsure.text')}>
      <input type="checkbox" checked={on} onChange={(event) => onChange(event.target.checked)} />
      <span className={styles.sample}>{t('unsure.title')}</span>
    </label>
  );
}
