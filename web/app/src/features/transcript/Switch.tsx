import type { ReactNode } from 'react';
import styles from './Switch.module.css';

type Props = { on: boolean; onChange: (on: boolean) => void; title?: string; children: ReactNode };

/** Turns something on and off that changes only how the text is shown. */
export function Switch({ on, onChange, title, children }: Props) {
  return (
    <label className={styles.switch} title={title}>
      <input type="checkbox" checked={on} onChange={(event) => onChange(event.target.checked)} />
      {children}
    </label>
  );
}
