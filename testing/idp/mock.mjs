// A second identity provider for tests, of another code base (oauth2-mock-server), on loopback only.
//
//   node mock.mjs [--until-stdin-closes]
//   PORT, ADMIN_PORT   default 9402 and 9403; 0 takes a free one
//
// The first line it prints is {"issuer","admin"}; then it is ready. The issuer offers
// /.well-known/openid-configuration /jwks /token. The admin port:
//   POST /mint {alg,header,claims}   signs these over the usual ones; a null leaves the member out
import http from 'node:http';
import { OAuth2Server } from 'oauth2-mock-server';
import { ALGORITHMS } from './keys.mjs';

const LOOPBACK = '127.0.0.1';

const provider = new OAuth2Server();
const ids = new Map();
for (const alg of ALGORITHMS) {
  const { kid } = await provider.issuer.keys.generate(alg);
  ids.set(alg, kid);
}
await provider.start(Number(process.env.PORT ?? 9402), LOOPBACK);
provider.issuer.url = `http://${LOOPBACK}:${provider.address().port}`;
provider.service.on('beforeTokenSigning', (token) => {
  token.payload.aud ??= 'urn:mock';
});

/** Sets members, and takes away those that are null. */
function replace(part, members) {
  Object.assign(part, members);
  for (const [name, value] of Object.entries(part)) if (value === null) delete part[name];
}

async function mint({ alg, header = {}, claims = {} }) {
  const kid = ids.get(alg);
  if (!kid) throw new Error(`no key for ${alg}`);
  const token = await provider.issuer.buildToken({
    kid,
    scopesOrTransform: (ownHeader, payload) => {
      replace(ownHeader, header);
      replace(payload, { sub: 'alice', aud: `urn:jwt:${alg}`, ...claims });
    },
  });
  return { token };
}

const admin = http.createServer(async (request, response) => {
  try {
    if (request.url !== '/mint') throw new Error(`no such verb: ${request.url}`);
    let body = '';
    for await (const chunk of request) body += chunk;
    const answer = JSON.stringify(await mint(JSON.parse(body)));
    response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
  } catch (error) {
    response.writeHead(400).end(String(error.stack));
  }
});
admin.listen(Number(process.env.ADMIN_PORT ?? 9403), LOOPBACK, () => {
  const { port } = admin.address();
  console.log(JSON.stringify({ issuer: provider.issuer.url, admin: `http://${LOOPBACK}:${port}` }));
});

// Whoever started it holds the other end, and takes it along however it ends.
if (process.argv.includes('--until-stdin-closes')) {
  process.stdin.resume().on('end', () => process.exit(0));
}
