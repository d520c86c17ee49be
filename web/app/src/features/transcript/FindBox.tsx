import { type KeyboardEvent, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '../../ui/Button';
import styles from './FindBox.module.css';
import { MOST } from './find';
import { isTyping } from './shortcuts';

type Props = {
  text: string;
  onText: (text: string) => void;
  count: number;
  /** The place of the match that is shown, from 0. */
  place: number;
  onPlace: (place: number) => void;
};

/** Finds in all of the text, also in what is not in the page and so is unknown to the browser's own search. */
export function FindBox({ text, onText, count, place, onPlace }: Props) {
  const { t } = useTranslation('transcript');
  const field = useRef<HTMLInputElement>(null);
  const step = (by: number) => count > 0 && onPlace((place + by + count) % count);
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'Enter') step(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') onText('');
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    // As in many readers; Ctrl+F stays the browser's.
    const press = (event: globalThis.KeyboardEvent) => {
      if (event.key !== '/' || isTyping(event.target)) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  const most = count === MOST ? `${MOST}+` : count;
  return (
    <search className={styles.find}>
      <input
        ref={field}
        type="search"
        aria-label={t('find.label')}
        placeholder={t('find.label')}
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={keys}
      />
      {text.trim() !== '' && (
        <>
          <span role="status" className={styles.count}>
            {count > 0 ? t('find.count', { place: place + 1, count: most }) : t('find.none')}
          </span>
          <Button
            kind="quiet"
            disabled={count === 0}
            onClick={() => step(-1)}
            aria-label={t('find.previous')}
          >
            <span aria-hidden="true">↑</span>
          </Button>
          <Button kind="quiet" disabled={count === 0} onClick={() => step(1)} aria-label={t('find.next')}>
            <span aria-hidden="true">↓</span>
          </Button>
        </>
      )}
    </search>
  );
}
