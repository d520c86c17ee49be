import { useTranslation } from 'react-i18next';
import { chooseLanguage, LANGUAGES, type Language } from '../i18n/language';

export function LanguageChoice() {
  const { t, i18n } = useTranslation('shell');
  return (
    <select
      aria-label={t('language')}
      value={i18n.language}
      onChange={(event) => chooseLanguage(event.target.value as Language)}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code} lang={code}>
          {name}
        </option>
      ))}
    </select>
  );
}
