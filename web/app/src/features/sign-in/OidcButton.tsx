import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { Button } from '../../ui/Button';
import { Fault } from '../../ui/Fault';

type Props = { oidc: NonNullable<Schemas['WaysIn']['oidc']> };

export function OidcButton({ oidc }: Props) {
  const { t } = useTranslation('signIn');
  const begin = useMutation({
    mutationFn: async () =>
      (await import('./oidc')).beginOidc(oidc, location.pathname + location.search + location.hash),
  });
  return (
    <>
      <Button kind="primary" disabled={begin.isPending} onClick={() => begin.mutate()}>
        {t('withProvider', { host: new URL(oidc.authority).host })}
      </Button>
      {begin.error && <Fault error={begin.error} />}
    </>
  );
}
