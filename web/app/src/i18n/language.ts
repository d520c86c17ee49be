import i18next, { type i18n } from 'i18next';
import { initReactI18next } from 'react-i18next';

export const LANGUAGES = { en: 'English', zh: '中文' } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = 'lingoloop.language';

// Each language is a file of its own, and only the one in use is fetched.
const texts = {
  en: () => import('./en'),
  zh: () => import('./zh'),
};

/** Return the language that was chosen, or the first of the browser's that there is. */
export function preferredLanguage(kept: string | null, wanted: readonly string[]): Language {
  const found = [kept ?? '', ...wanted].map((tag) => tag.toLowerCase().split('-')[0] ?? '');
  return found.find((code): code is Language => code in LANGUAGES) ?? 'en';
}

/** Load the language and give the texts to React. */
export async function startLanguage(): Promise<i18n> {
  const language = preferredLanguage(localStorage.getItem(KEY), navigator.languages);
  await i18next.use(initReactI18next).init({
    fallbackLng: false,
    interpolation: { escapeValue: false }, // React escapes
    react: { useSuspense: false },
  });
  await show(language);
  return i18next;
}

/** Change the language, and keep the choice. */
export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEY, language);
  await show(language);
}

async function show(language: Language): Promise<void> {
  const { default: namespaces } = await texts[language]();
  for (const [name, values] of Object.entries(namespaces)) i18next.addResourceBundle(language, name, values);
  await i18next.changeLanguage(language);
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : language;
}
