import { UserManager, WebStorageStateStore } from 'oidc-client-ts';
import { api, body, type Schemas } from '../../api/client';
import type { Session } from '../../session/session';
import { sessionOf } from './entrance';

type Oidc = NonNullable<Schemas['WaysIn']['oidc']>;

/** Go to the provider's page; it comes back to /sign-in. `wanted` is where the person was going. */
export async function beginOidc(oidc: Oidc, wanted: string): Promise<void> {
  await managerOf(oidc).signinRedirect({ state: wanted });
}

/** Finish what `beginOidc` began: exchange the code (with PKCE, RFC 7636), and return the session and where to go. */
export async function finishOidc(oidc: Oidc): Promise<{ session: Session; wanted: string }> {
  const user = await managerOf(oidc).signinRedirectCallback();
  const wanted = typeof user.state === 'string' && /^\/(?!\/)/.test(user.state) ? user.state : '/';
  return { session: await sessionOf(user.access_token), wanted };
}

/** Return a new session by the refresh token that the provider gave; null where it gave none. */
export async function renewOidc(): Promise<Session | null> {
  const { signIn } = body(await api.GET('/api/settings'));
  if (!signIn.oidc) return null;
  const manager = managerOf(signIn.oidc);
  const user = await manager.getUser();
  if (!user?.refresh_token) return null;
  const renewed = await manager.signinSilent();
  return renewed ? sessionOf(renewed.access_token) : null;
}

function managerOf({ authority, clientId, scope }: Oidc): UserManager {
  const store = new WebStorageStateStore({ store: localStorage });
  return new UserManager({
    authority,
    client_id: clientId,
    scope,
    redirect_uri: `${location.origin}/sign-in`,
    userStore: store,
    stateStore: store,
    automaticSilentRenew: false, // the session asks when it needs a token
    loadUserInfo: false,
  });
}
