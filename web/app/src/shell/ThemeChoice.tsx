import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { chooseTheme, chosenTheme, THEMES, type Theme } from './theme';

export function ThemeChoice() {
  const { t } = useTranslation('shell');
  const [theme, setTheme] = useState(chosenTheme);
  const choose = (next: Theme) => {
    chooseTheme(next);
    setTheme(next);
  };
  return (
    <select aria-label={t('theme')} value={theme} onChange={(event) => choose(event.target.value as Theme)}>
      {THEMES.map((name) => (
        <option key={name} value={name}>
          {t(`themes.${name}`)}
        </option>
      ))}
    </select>
  );
}
