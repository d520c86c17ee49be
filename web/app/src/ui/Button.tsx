import type { ComponentProps } from 'react';
import styles from './Button.module.css';

type Props = ComponentProps<'button'> & { kind?: 'primary' | 'danger' | 'quiet' };

/** A button; `primary` for the one thing that a page is for. */
export function Button({ kind, className, type = 'button', ...rest }: Props) {
  const names = [styles.button, kind && styles[kind], className].filter(Boolean).join(' ');
  return <button type={type} className={names} {...rest} />;
}
