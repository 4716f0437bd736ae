// Signs a user in by the authorization code flow, through the provider's own pages, without a
// browser, and prints the access token.
//
//   node login.mjs [issuer] [user] [resource]
const [issuer = 'http://127.0.0.1:9400', user = 'alice', resource = 'urn:jwt:RS256'] =
  process.argv.slice(2);
const CALLBACK = 'http://127.0.0.1:9499/cb';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const HOPS_MAX = 15;
const PAGES_MAX = 4;

const cookies = new Map();
const form = (fields) => new URLSearchParams(fields).toString();

function remember(response) {
  for (const cookie of response.headers.getSetCookie()) {
    const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
    if (value) cookies.set(name, value);
    else cookies.delete(name);
  }
}

/** Follows redirects up to a page or to the callback, which nobody listens at. */
async function visit(url, options = {}) {
  for (let hop = 0; hop < HOPS_MAX; hop += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const headers = { ...options.headers, cookie };
    const response = await fetch(url, { ...options, headers, redirect: 'manual' });
    remember(response);
    const location = response.headers.get('location');
    if (!location) return { url, page: await response.text() };
    url = new URL(location, url).href;
    options = {};
    if (url.startsWith(CALLBACK)) return { url, code: new URL(url).searchParams.get('code') };
  }
  throw new Error(`more than ${HOPS_MAX} redirects`);
}

async function code() {
  const query = {
    client_id: 'app',
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid user/*.read',
    resource,
  };
  let at = await visit(`${issuer}/auth?${form(query)}`);
  for (let page = 0; page < PAGES_MAX && !at.code; page += 1) {
    const action = at.page?.match(/action="([^"]+)"/)?.[1];
    const prompt = at.page?.match(/name="prompt" value="([^"]+)"/)?.[1];
    if (!action) throw new Error(`no form at ${at.url}`);
    at = await visit(new URL(action, at.url).href, {
      method: 'POST',
      headers: FORM,
      body: form({ prompt, login: user, password: 'x' }),
    });
  }
  return at.code;
}

const response = await fetch(`${issuer}/token`, {
  method: 'POST',
  headers: { ...FORM, authorization: `Basic ${btoa('app:app-secret')}` },
  body: form({
    grant_type: 'authorization_code',
    code: await code(),
    redirect_uri: CALLBACK,
    resource,
  }),
});
const tokens = await response.json();
if (!tokens.access_token) throw new Error(JSON.stringify(tokens));
console.log(tokens.access_token);
