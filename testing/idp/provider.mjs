// What the provider knows: clients, users, scopes, and the resources tokens are issued for.
import { createSecretKey } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { ALGORITHMS, HS256_SECRET } from './keys.mjs';

const SCOPES = ['system/*.read', 'system/*.write', 'user/*.read', 'patient/*.read'];

const USERS = {
  alice: { role: 'doctor', patient: 'pt-1' },
  bob: { role: 'nurse', patient: 'pt-2' },
};

const machine = (id) => ({
  client_id: id,
  client_secret: `${id}-secret`,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
});

const CLIENTS = [
  machine('svc'),
  // The resource server: it alone may introspect the tokens of others.
  machine('rs'),
  {
    client_id: 'app',
    client_secret: 'app-secret',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: ['http://127.0.0.1:9499/cb'],
    response_types: ['code'],
  },
];

const stored = new Map();

// One for all providers that are built, so that tokens outlive a rotation of keys.
class Memory {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, seconds) {
    const until = seconds ? Date.now() + seconds * 1000 : Infinity;
    stored.set(this.key(id), { ...payload, until });
    if (payload.uid) stored.set(`uid:${this.key(payload.uid)}`, id);
    if (payload.grantId) {
      const grant = `grant:${payload.grantId}`;
      stored.set(grant, [...(stored.get(grant) ?? []), this.key(id)]);
    }
  }

  async find(id) {
    const payload = stored.get(this.key(id));
    return payload && payload.until > Date.now() ? payload : undefined;
  }

  async findByUid(uid) {
    return this.find(stored.get(`uid:${this.key(uid)}`));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    const payload = stored.get(this.key(id));
    if (payload) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(id) {
    for (const key of stored.get(`grant:${id}`) ?? []) stored.delete(key);
  }
}

function resourceServer(resource, keys, tokenSeconds) {
  const server = { scope: SCOPES.join(' '), audience: resource, accessTokenTTL: tokenSeconds };
  if (resource === 'urn:opaque') return { ...server, accessTokenFormat: 'opaque' };
  const alg = resource.replace('urn:jwt:', '');
  const sign =
    alg === 'HS256'
      ? { alg, kid: 'hs', key: createSecretKey(Buffer.from(HS256_SECRET)) }
      : { alg, kid: keys.find(alg)?.kid };
  if (!sign.kid) throw new Error('invalid_target');
  return { ...server, accessTokenFormat: 'jwt', jwt: { sign } };
}

/** A provider that signs with the keys as they are now. */
export function build(issuer, keys, tokenSeconds) {
  const provider = new Provider(issuer, {
    adapter: Memory,
    jwks: { keys: keys.all },
    cookies: { keys: ['firewarden'] },
    clients: CLIENTS,
    enabledJWA: {
      idTokenSigningAlgValues: ALGORITHMS,
      introspectionSigningAlgValues: ALGORITHMS,
      userinfoSigningAlgValues: ALGORITHMS,
    },
    scopes: ['openid', 'offline_access', ...SCOPES],
    claims: { openid: ['sub'], profile: ['role', 'patient'] },
    pkce: { required: () => false },
    ttl: { AccessToken: tokenSeconds, ClientCredentials: tokenSeconds },
    extraTokenClaims: (ctx, token) => ({
      client: token.clientId,
      ...(token.accountId ? USERS[token.accountId] : { role: 'service' }),
      realm_access: { roles: ['fhir-user'] },
    }),
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...USERS[id] }) }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (ctx, client, token) =>
          client.clientId === 'rs' || client.clientId === token.clientId,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:opaque',
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => resourceServer(resource, keys, tokenSeconds),
      },
    },
  });
  provider.on('server_error', (ctx, error) => console.error('server_error', error));
  return provider;
}
