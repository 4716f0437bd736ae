// A real identity provider for tests (oidc-provider), on loopback only, with a port for faults.
//
//   node idp.mjs [--until-stdin-closes]
//   PORT, ADMIN_PORT   default 9400 and 9401; 0 takes a free one
//   TOKEN_SECONDS      how long an access token lives, default 300
//
// The first line it prints is {"issuer","admin"}; then it is ready. The issuer offers
// /.well-known/openid-configuration /jwks /token /token/introspection /token/revocation /auth /me.
// Tokens are issued for a `resource` (RFC 8707): urn:opaque, or urn:jwt:ALG with ALG one of
// RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256.
//
// The admin port:
//   POST /rotate?alg=RS256&keep=1      a new signing key; keep=0 drops the old ones at once
//   POST /mint {alg,header,claims,kid} signs any header and claims; a null leaves the member out
//   POST /jwks-mode?m=MODE             ok, 500, hang, garbage, empty, slow
//   POST /introspect-mode?m=MODE       ok, 500, hang, garbage
//   GET  /counters                     requests so far: {jwks, introspection, token}
//   GET  /keys                         the keys' ids in the order served
import http from 'node:http';
import { Keys } from './keys.mjs';
import { build } from './provider.mjs';

const LOOPBACK = '127.0.0.1';
const SLOW_MS = 3000;
const tokenSeconds = Number(process.env.TOKEN_SECONDS ?? 300);

const keys = await Keys.generate();
const modes = { jwks: 'ok', introspect: 'ok' };
const counters = { jwks: 0, introspection: 0, token: 0 };
let answer = (request, response) => response.writeHead(503).end();

/** Answers as a broken provider would, if that is the mode. */
function failed(mode, response) {
  const json = (text) => response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  switch (mode) {
    case '500':
      response.writeHead(500).end('boom');
      return true;
    case 'hang':
      return true;
    case 'garbage':
      json('{"keys":[{"kty":');
      return true;
    case 'empty':
      json('{"keys":[]}');
      return true;
    default:
      return false;
  }
}

function serve(request, response) {
  const path = request.url.split('?')[0];
  if (path === '/token') counters.token += 1;
  if (path === '/token/introspection') {
    counters.introspection += 1;
    if (failed(modes.introspect, response)) return;
  }
  if (path === '/jwks') {
    counters.jwks += 1;
    if (modes.jwks === 'slow') {
      setTimeout(() => answer(request, response), SLOW_MS);
      return;
    }
    if (failed(modes.jwks, response)) return;
  }
  answer(request, response);
}

function mint({ alg = 'RS256', header = {}, claims = {}, kid }) {
  const now = Math.floor(Date.now() / 1000);
  const withoutNulls = (part) =>
    Object.fromEntries(Object.entries(part).filter(([, value]) => value !== null));
  const named = alg === 'HS256' ? {} : { kid: kid ?? keys.find(alg).kid };
  return keys.sign(
    alg,
    withoutNulls({ alg, typ: 'at+jwt', ...named, ...header }),
    withoutNulls({
      iss: issuer,
      sub: 'alice',
      aud: `urn:jwt:${alg}`,
      iat: now,
      exp: now + tokenSeconds,
      ...claims,
    }),
    kid,
  );
}

async function administer(url, body) {
  const parameter = (name, fallback) => url.searchParams.get(name) ?? fallback;
  switch (url.pathname) {
    case '/rotate': {
      const kid = await keys.rotate(parameter('alg', 'RS256'), parameter('keep', '1') !== '0');
      answer = build(issuer, keys, tokenSeconds).callback();
      return { kid };
    }
    case '/mint':
      return { token: mint(JSON.parse(body || '{}')) };
    case '/jwks-mode':
      modes.jwks = parameter('m', 'ok');
      return modes;
    case '/introspect-mode':
      modes.introspect = parameter('m', 'ok');
      return modes;
    case '/counters':
      return counters;
    case '/keys':
      return keys.all.map((key) => key.kid);
    default:
      throw new Error(`no such verb: ${url.pathname}`);
  }
}

async function serveAdmin(request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  try {
    const result = await administer(new URL(request.url, admin), body);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
  } catch (error) {
    response.writeHead(400).end(String(error.stack));
  }
}

function listen(listener, port) {
  const server = http.createServer(listener);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), LOOPBACK, () => {
      resolve(`http://${LOOPBACK}:${server.address().port}`);
    });
  });
}

const issuer = await listen(serve, process.env.PORT ?? 9400);
answer = build(issuer, keys, tokenSeconds).callback();
const admin = await listen(serveAdmin, process.env.ADMIN_PORT ?? 9401);
console.log(JSON.stringify({ issuer, admin }));

// Whoever started it holds the other end, and takes it along however it ends.
if (process.argv.includes('--until-stdin-closes')) {
  process.stdin.resume().on('end', () => process.exit(0));
}
