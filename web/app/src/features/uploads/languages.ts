import { languageName } from '../../ui/format';
import type { Engine } from './engines';
import { can } from './options';

/** What is offered of an engine that takes any language and names none. */
const COMMON = [
  'ar',
  'cs',
  'da',
  'de',
  'el',
  'en',
  'es',
  'fa',
  'fi',
  'fr',
  'he',
  'hi',
  'hu',
  'id',
  'it',
  'ja',
  'ko',
  'ms',
].concat([
  'nl',
  'no',
  'pl',
  'pt',
  'ro',
  'ru',
  'sv',
  'sw',
  'ta',
  'th',
  'tl',
  'tr',
  'uk',
  'ur',
  'vi',
  'yue',
  'zh',
]);

/** Return the codes that can be chosen for an engine, in the order of their names in the page's language. */
export function languagesOf(engine: Engine | undefined, language: string): [code: string, name: string][] {
  const codes = engine?.languages ?? COMMON;
  // Which way to write it is for the person to say, not to hear.
  const all = codes.flatMap((code) => (code === 'zh' ? ['zh', 'zh-Hans', 'zh-Hant'] : [code]));
  const named = all.map((code): [string, string] => [code, languageName(code, language)]);
  return named.sort(([, one], [, other]) => one.localeCompare(other, language));
}

/** Whether an engine follows a recording in which the language changes. */
export function followsChanges(engine: Engine | undefined): boolean {
  return can(engine, 'multi');
}
