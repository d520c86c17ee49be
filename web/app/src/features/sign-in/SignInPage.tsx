import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { ApiError } from '../../api/problem';
import { settingsQuery } from '../../api/settings';
import { renewBy, whyEnded } from '../../session/session';
import { Fault } from '../../ui/Fault';
import { Heading } from '../../ui/Heading';
import { type Failure, useArrival } from './arrival';
import { ProviderFault } from './ProviderFault';
import { ProviderSignIn } from './ProviderSignIn';
import styles from './SignInPage.module.css';
import { TokenForm } from './TokenForm';

renewBy(async (session) => (await import('./oidc')).renewOidc(session));

/** Lets somebody in: by a one-time link, by a provider (OpenID Connect), or by a token. */
export function SignInPage() {
  const { t } = useTranslation('signIn');
  const { data: settings, error } = useQuery(settingsQuery);
  const oidc = settings?.signIn.oidc;
  const [arriving, failure] = useArrival(oidc);
  const ended = whyEnded();
  if (arriving && !error) return <p role="status">{t('arriving')}</p>;
  return (
    <section className={styles.page}>
      <Heading>{t('title')}</Heading>
      {ended && <p className={styles.ended}>{t(`ended.${ended}`)}</p>}
      {failure && <ArrivalFault failure={failure} authority={oidc?.authority} />}
      {error && <Fault error={error} />}
      {oidc && <ProviderSignIn oidc={oidc} />}
      <TokenForm />
      {settings?.signIn.link && <p className={styles.hint}>{t('linkHint')}</p>}
    </section>
  );
}

function ArrivalFault({ failure, authority }: { failure: Failure; authority: string | undefined }) {
  const { t } = useTranslation('signIn');
  const { by, error } = failure;
  if (by === 'provider' && authority) return <ProviderFault error={error} authority={authority} />;
  if (!(error instanceof ApiError && error.status === 401)) return <Fault error={error} />;
  return (
    <p role="alert" className={styles.ended}>
      {t('linkUsed')}
    </p>
  );
}
