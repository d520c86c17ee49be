import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation } from 'wouter';
import { api, body } from '../../api/client';
import { ApiError } from '../../api/problem';
import { beginSession, renewBy, useSession, whyEnded } from '../../session/session';
import { Fault } from '../../ui/Fault';
import { sessionOfLink, takeCode } from './entrance';
import { OidcButton } from './OidcButton';
import styles from './SignInPage.module.css';
import { TokenForm } from './TokenForm';

renewBy(async () => (await import('./oidc')).renewOidc());

/** Lets somebody in: by a one-time link, by a provider (OpenID Connect), or by a token. */
export function SignInPage() {
  const { t } = useTranslation('signIn');
  const { data: settings, error } = useQuery({
    queryKey: ['settings'],
    queryFn: async () => body(await api.GET('/api/settings')),
  });
  const [arriving, failed] = useArrival(settings?.signIn.oidc ?? null);
  const ended = whyEnded();
  if (arriving) return <p role="status">{t('arriving')}</p>;
  return (
    <section className={styles.page}>
      <h1>{t('title')}</h1>
      {ended && <p className={styles.ended}>{t(`ended.${ended}`)}</p>}
      {failed &&
        (failed instanceof ApiError && failed.status === 401 ? <UsedLink /> : <Fault error={failed} />)}
      {error && <Fault error={error} />}
      {settings?.signIn.oidc && <OidcButton oidc={settings.signIn.oidc} />}
      <TokenForm />
      {settings?.signIn.link && <p className={styles.hint}>{t('linkHint')}</p>}
    </section>
  );
}

function UsedLink() {
  const { t } = useTranslation('signIn');
  return (
    <p role="alert" className={styles.ended}>
      {t('linkUsed')}
    </p>
  );
}

// The address is read once: effects run twice in development, and a code is good once.
const linkCode = takeCode();
let arrival: Promise<string> | null = null;

type Oidc = Parameters<typeof OidcButton>[0]['oidc'] | null;

/** Sign in by what the address brings; tell whether that is under way, and why it failed. */
function useArrival(oidc: Oidc): [boolean, Error | null] {
  const session = useSession();
  const [, navigate] = useLocation();
  const [failed, setFailed] = useState<Error | null>(null);
  const query = new URLSearchParams(location.search);
  const returned = location.pathname === '/sign-in' && query.has('state');
  const arriving = !failed && (linkCode !== null || returned);
  useEffect(() => {
    if (session && !arriving && location.pathname === '/sign-in') navigate('/', { replace: true });
    if (!arriving || (returned && !oidc)) return;
    arrival ??= linkCode !== null ? byLink(linkCode) : byProvider(oidc);
    arrival.then((wanted) => navigate(wanted, { replace: true }), setFailed);
  }, [session, arriving, returned, oidc, navigate]);
  return [arriving, failed];
}

async function byLink(code: string): Promise<string> {
  beginSession(await sessionOfLink(code));
  return '/';
}

async function byProvider(oidc: Oidc): Promise<string> {
  if (!oidc) return '/';
  const { session, wanted } = await (await import('./oidc')).finishOidc(oidc);
  beginSession(session);
  return wanted;
}
