import { useTranslation } from 'react-i18next';
import { ApiError } from '../../api/problem';
import { Fault } from '../../ui/Fault';
import styles from './SignInPage.module.css';

/** Says why the way over the identity provider led nowhere, and what to do. */
export function ProviderFault({ error, authority }: { error: Error; authority: string }) {
  const { t } = useTranslation('signIn');
  const host = new URL(authority).host;
  const foreign = error instanceof ApiError && error.status === 401;
  if (error instanceof ApiError && !foreign) return <Fault error={error} />;
  return (
    <div role="alert" className={styles.ended}>
      <p>{foreign ? t('providerForeign', { host }) : t('providerFailed', { host })}</p>
      <p className={styles.hint}>{error.message}</p>
    </div>
  );
}
