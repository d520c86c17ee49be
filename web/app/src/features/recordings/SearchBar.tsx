import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import styles from './SearchBar.module.css';
import { STATUSES, type Wanted } from './wanted';

/** After the last letter typed; each search costs the server one. */
const PAUSE_MS = 300;

type Props = { wanted: Wanted; onWant: (change: Partial<Wanted>) => void };

/** What is searched for, and which statuses are shown. */
export function SearchBar({ wanted, onWant }: Props) {
  const { t } = useTranslation('recordings');
  return (
    <search className={styles.bar}>
      <SearchBox q={wanted.q} onSearch={(q) => onWant({ q })} />
      <select
        aria-label={t('filter')}
        value={wanted.status}
        onChange={(event) => onWant({ status: event.target.value })}
      >
        {Object.entries(STATUSES).map(([name, status]) => (
          <option key={name} value={status}>
            {t(`filters.${name as keyof typeof STATUSES}`)}
          </option>
        ))}
      </select>
    </search>
  );
}

function SearchBox({ q, onSearch }: { q: string; onSearch: (q: string) => void }) {
  const { t } = useTranslation('recordings');
  const [typed, setTyped] = useState(q);
  const [shown, setShown] = useState(q);
  if (q !== shown) {
    // The address has changed: by what was typed here, or by a link, the way back, "show all".
    setShown(q);
    if (q !== typed.trim()) setTyped(q);
  }
  useEffect(() => {
    if (typed.trim() === q) return;
    const timer = setTimeout(() => onSearch(typed.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed, q, onSearch]);
  return (
    <input
      type="search"
      className={styles.box}
      aria-label={t('search')}
      placeholder={t('search')}
      maxLength={200}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}
