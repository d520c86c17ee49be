import { useTranslation } from 'react-i18next';
import styles from './Speaker.module.css';
import { colourOf, type Names, nameOf } from './speakers';

type Props = { label: string; labels: readonly string[]; names: Names };

/** Who speaks: by name, and by a colour that is found again further down. */
export function Speaker({ label, labels, names }: Props) {
  const { t, i18n } = useTranslation('transcript');
  return (
    <span className={styles.speaker} data-colour={colourOf(label, labels)} lang={i18n.language}>
      {nameOf(label, names, t)}
    </span>
  );
}
