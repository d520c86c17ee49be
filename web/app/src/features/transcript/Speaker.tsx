import type { TFunction } from 'i18next';
import styles from './Speaker.module.css';
import { colourOf, type Names, nameOf } from './speakers';

type Props = {
  label: string;
  labels: readonly string[];
  names: Names;
  t: TFunction<'transcript'>;
  language: string;
};

/** Who speaks: by name, and by a colour that is found again further down. */
export function Speaker({ label, labels, names, t, language }: Props) {
  return (
    <span className={styles.speaker} data-colour={colourOf(label, labels)} lang={language}>
      {nameOf(label, names, t)}
    </span>
  );
}
