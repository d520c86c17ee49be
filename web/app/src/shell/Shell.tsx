import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useRoute } from 'wouter';
import { endSession, may, useSession } from '../session/session';
import { Button } from '../ui/Button';
import { LanguageChoice } from './LanguageChoice';
import styles from './Shell.module.css';
import { ThemeChoice } from './ThemeChoice';

/** What is around each page: the way to the others, language, theme, signing out. */
export function Shell({ children }: { children: ReactNode }) {
  const { t } = useTranslation('shell');
  const session = useSession();
  return (
    <>
      <a href="#content" className={styles.skip}>
        {t('skip')}
      </a>
      <header className={styles.header}>
        <Link href="/" className={styles.name}>
          <img src="/icon.svg" alt="" width="24" height="24" />
          LingoLoop
        </Link>
        <nav className={styles.nav} aria-label={t('pages')}>
          {session && <Page href="/">{t('recordings')}</Page>}
          {session && may(session, 'admin') && <Page href="/workers">{t('workers')}</Page>}
        </nav>
        <div className={styles.choices}>
          <LanguageChoice />
          <ThemeChoice />
          {session && (
            <Button kind="quiet" onClick={() => endSession('signed-out')} title={session.owner}>
              {t('signOut')}
            </Button>
          )}
        </div>
      </header>
      <main id="content" className={styles.main} tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function Page({ href, children }: { href: string; children: ReactNode }) {
  const [here] = useRoute(href);
  return (
    <Link href={href} aria-current={here ? 'page' : undefined}>
      {children}
    </Link>
  );
}
