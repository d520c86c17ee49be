import { UserManager, WebStorageStateStore } from 'oidc-client-ts';
import type { Schemas } from '../../api/client';
import { PROVIDER_PREFIX, type Session } from '../../session/session';
import { sessionOf } from './entrance';

/** How the server says people sign in at its identity provider. */
export type Oidc = NonNullable<Schemas['WaysIn']['oidc']>;

/** Go to the provider's page; it comes back to /sign-in. `wanted` is where the person was going. */
export async function beginOidc(oidc: Oidc, wanted: string): Promise<void> {
  await managerOf(oidc).signinRedirect({ state: wanted });
}

/**
 * Finish what `beginOidc` began, by the address that the provider came back to: exchange the code (with PKCE, RFC 7636),
 * and return the session and where to go.
 */
export async function finishOidc(oidc: Oidc, address: string): Promise<{ session: Session; wanted: string }> {
  const user = await managerOf(oidc).signinRedirectCallback(address);
  return { session: await sessionOf(user.access_token), wanted: ownPath(user.state) };
}

/** Return a new session by the refresh token that the provider gave for this one; null where it gave none. */
export async function renewOidc(session: Session): Promise<Session | null> {
  // Not by `api`: that waits for a fresh token first, which is what this is for.
  const response = await fetch('/api/settings');
  const { signIn } = (await response.json()) as Schemas['PageSettings'];
  if (!signIn.oidc) return null;
  const manager = managerOf(signIn.oidc);
  const user = await manager.getUser();
  if (!user?.refresh_token || user.access_token !== session.token) return null;
  const renewed = await manager.signinSilent();
  return renewed && sessionOf(renewed.access_token);
}

/** Sign out at the provider, too: otherwise it lets in whoever comes next at this browser. */
export async function leaveOidc(oidc: Oidc): Promise<void> {
  await managerOf(oidc).signoutRedirect({ post_logout_redirect_uri: `${location.origin}/sign-in` });
}

/** Return a path of this page as it is, and `/` for all else: nobody is sent elsewhere. Pure. */
export function ownPath(wanted: unknown): string {
  return typeof wanted === 'string' && /^\/(?![/\\])/.test(wanted) ? wanted : '/';
}

function managerOf({ authority, clientId, scope }: Oidc): UserManager {
  const store = new WebStorageStateStore({ prefix: PROVIDER_PREFIX, store: localStorage });
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
