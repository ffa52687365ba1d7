// The certified issuer of the tests: npm's oidc-provider, with people and groups of its own.
// Usage: node server.mjs PORT REDIRECT_URI BACKCHANNEL_URI
import { Provider } from 'oidc-provider';

const [port, redirectUri, backchannelUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const groups = { alice: ['ops', 'dev', 'system:masters'], bob: [] };

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'sekisho',
    client_secret: 'a secret of the tests',
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    redirect_uris: [redirectUri],
    backchannel_logout_uri: backchannelUri,
    response_types: ['code'],
  }],
  cookies: { keys: ['only for tests'] },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], groups: ['groups'] },
  features: {
    backchannelLogout: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    revocation: { enabled: true },
  },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  // Its own refuses addresses of this machine, where everything here is.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  pkce: { required: () => true },
  async findAccount(ctx, id) {
    if (id.startsWith('gone')) return undefined;
    return {
      accountId: id,
      claims: async () => ({
        sub: id,
        name: `${id} of the tests`,
        preferred_username: id,
        email: `${id}@example.test`,
        email_verified: true,
        groups: groups[id] ?? [],
      }),
    };
  },
});

// Logout tokens go to the Sekisho under test, whose certificate only the tests know.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
provider.on('server_error', (ctx, error) => console.error(error));
provider.on('backchannel.error', (ctx, error) => console.error('backchannel', error));
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
