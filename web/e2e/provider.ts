import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OidcProvider, { type Configuration } from 'oidc-provider';

const CLIENT = 'lingoloop';
const SCOPE = 'runs:read runs:write admin';

/** An identity provider on this machine: it asks who one is and believes it, and gives tokens that last 65 s. */
export class Provider {
  /** Whom its access tokens name as the ones they are for. */
  audience = 'lingoloop-test';

  private constructor(
    private readonly listener: HttpServer,
    readonly url: string,
  ) {}

  static async listen(): Promise<Provider> {
    const listener = createServer();
    await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening));
    return new Provider(listener, `http://127.0.0.1:${(listener.address() as AddressInfo).port}`);
  }

  /** The settings of a server that lets in by this provider. */
  settings(): Record<string, string> {
    return {
      AUTH_JWKS_URL: `${this.url}/jwks`,
      AUTH_AUDIENCE: this.audience,
      AUTH_ISSUER: this.url,
      WEB_OIDC_AUTHORITY: this.url,
      WEB_OIDC_CLIENT_ID: CLIENT,
      WEB_OIDC_SCOPE: `openid ${SCOPE}`,
    };
  }

  /** Take sign-ins for the app at that address. */
  serve(app: string): void {
    const provider = new OidcProvider(this.url, this.configuration(app));
    provider.use(async (context, next) => {
      if (!context.path.startsWith('/interaction/')) return next();
      const { who } = context.query;
      if (typeof who === 'string') {
        const refused = { error: 'access_denied', error_description: 'you were refused' };
        const result = who === 'nobody' ? refused : { login: { accountId: who } };
        await provider.interactionFinished(context.req, context.res, result);
        context.respond = false;
      } else {
        context.type = 'html';
        context.body = '<h1>Who are you?</h1><a href="?who=ann">Ann</a> <a href="?who=nobody">Nobody</a>';
      }
    });
    this.listener.on('request', provider.callback());
  }

  close(): void {
    this.listener.closeAllConnections();
    this.listener.close();
  }

  private configuration(app: string): Configuration {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    return {
      clients: [
        {
          client_id: CLIENT,
          token_endpoint_auth_method: 'none',
          grant_types: ['authorization_code', 'refresh_token'],
          redirect_uris: [`${app}/sign-in`],
          post_logout_redirect_uris: [`${app}/sign-in`],
        },
      ],
      jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] },
      cookies: { keys: ['of a test'] },
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      features: {
        devInteractions: { enabled: false },
        rpInitiatedLogout: {
          logoutSource: (context, form) => {
            context.body = `${form}<button form="op.logoutForm" name="logout" value="yes">Leave</button>`;
          },
        },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'urn:lingoloop',
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: SCOPE,
            audience: this.audience,
            accessTokenFormat: 'jwt',
            accessTokenTTL: 65,
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
      ttl: { AccessToken: 65, Interaction: 600, Session: 600, Grant: 600, IdToken: 600, RefreshToken: 600 },
      clientBasedCORS: (_context, origin) => origin === app,
      findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
      async loadExistingGrant({ oidc }) {
        const grant = new oidc.provider.Grant({
          clientId: oidc.client?.clientId ?? '',
          accountId: oidc.session?.accountId ?? '',
        });
        grant.addOIDCScope('openid');
        grant.addResourceScope('urn:lingoloop', SCOPE);
        await grant.save();
        return grant;
      },
    };
  }
}
