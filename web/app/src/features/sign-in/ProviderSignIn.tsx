import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { whyEnded } from '../../session/session';
import { Button } from '../../ui/Button';
import type { Oidc } from './oidc';
import { ProviderFault } from './ProviderFault';
import styles from './SignInPage.module.css';

/** The way to the identity provider's page, and out of it for who has just signed out. */
export function ProviderSignIn({ oidc }: { oidc: Oidc }) {
  const { t } = useTranslation('signIn');
  const { authority } = oidc;
  const host = new URL(authority).host;
  const go = useMutation({
    mutationFn: async (way: 'in' | 'out') => {
      const { beginOidc, leaveOidc } = await import('./oidc');
      const wanted = location.pathname + location.search + location.hash;
      await (way === 'in' ? beginOidc(oidc, wanted) : leaveOidc(oidc));
    },
  });
  // Browsers have the cryptography that this needs only where nobody can listen.
  if (!isSecureContext) return <p className={styles.hint}>{t('needsHttps', { host })}</p>;
  return (
    <>
      <Button kind="primary" disabled={go.isPending} onClick={() => go.mutate('in')}>
        {t('withProvider', { host })}
      </Button>
      {whyEnded() === 'signed-out' && (
        <Button disabled={go.isPending} onClick={() => go.mutate('out')}>
          {t('leaveProvider', { host })}
        </Button>
      )}
      {go.error && <ProviderFault error={go.error} authority={authority} />}
    </>
  );
}
