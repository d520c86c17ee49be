import 'i18next';
import type en from './en';

// Keys are checked by the compiler, against the English texts.
declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'ui';
    resources: typeof en;
  }
}
