// The provider's signing keys: made at start, rotated on demand, and used to sign anything.
import { constants, createHmac, createPrivateKey, sign } from 'node:crypto';
import * as jose from 'jose';

export const ALGORITHMS = [
  'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA',
];

/** The secret of the tokens signed with HS256. */
export const HS256_SECRET = 'firewarden-hs256-secret-at-least-32-bytes!!';

let made = 0;

async function newKey(alg) {
  const options = { extractable: true };
  if (alg === 'EdDSA') options.crv = 'Ed25519';
  if (/^[RP]S/.test(alg)) options.modulusLength = 2048;
  const { privateKey } = await jose.generateKeyPair(alg, options);
  made += 1;
  const kid = `${alg.toLowerCase()}-${made}`;
  return { ...(await jose.exportJWK(privateKey)), alg, use: 'sig', kid };
}

/** The keys in the order in which the provider serves them, newest first. */
export class Keys {
  static async generate() {
    const keys = new Keys();
    keys.all = await Promise.all(ALGORITHMS.map(newKey));
    return keys;
  }

  /** The newest key of an algorithm, or the one with this `kid`. */
  find(alg, kid) {
    return this.all.find((key) => (kid ? key.kid === kid : key.alg === alg));
  }

  /** Adds a key; unless `keep`, older keys of its algorithm are dropped at once. */
  async rotate(alg, keep) {
    const key = await newKey(alg);
    this.all = [key, ...this.all.filter((older) => keep || older.alg !== alg)];
    return key.kid;
  }

  /** Signs exactly this header and these claims, which libraries would refuse to do. */
  sign(alg, header, claims, kid) {
    const encoded = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const input = `${encoded(header)}.${encoded(claims)}`;
    return `${input}.${this.signature(alg, input, kid).toString('base64url')}`;
  }

  signature(alg, input, kid) {
    if (alg === 'HS256') return createHmac('sha256', HS256_SECRET).update(input).digest();
    const key = createPrivateKey({ key: this.find(alg, kid), format: 'jwk' });
    const digest = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
    const options = { key };
    if (alg.startsWith('PS')) {
      options.padding = constants.RSA_PKCS1_PSS_PADDING;
      options.saltLength = Number(alg.slice(2)) / 8;
    }
    if (alg.startsWith('ES')) options.dsaEncoding = 'ieee-p1363';
    return sign(digest, Buffer.from(input), options);
  }
}
