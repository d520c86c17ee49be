import styles from './Marked.module.css';
import { marks } from './marks';

/** A text in which is marked what was searched for. */
export function Marked({ text, query }: { text: string; query: string }) {
  let at = 0;
  return marks(text, query).map((part) => {
    const key = at;
    at += part.text.length;
    return part.marked ? (
      <mark key={key} className={styles.mark}>
        {part.text}
      </mark>
    ) : (
      part.text
    );
  });
}
