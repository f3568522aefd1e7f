// A relying party in one file: authorization code with PKCE (RFC 7636) by discovery alone, as a single-page app does it.
// Short of what a real one needs: it reads the id token's claims but leaves its signature to TLS (OIDC Core §3.1.3.7, 6).
const root = document.getElementById('playground');
const { clientId, scope, discoveryPath } = root.dataset;
const redirectUri = `${location.origin}/playground`;
const element = (id) => document.getElementById(id);

const stored = (key) => JSON.parse(sessionStorage.getItem(`playground.${key}`) ?? 'null');
const store = (key, value) => sessionStorage.setItem(`playground.${key}`, JSON.stringify(value));
const forget = (key) => sessionStorage.removeItem(`playground.${key}`);

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (character) => ({ '+': '-', '/': '_' })[character] ?? '');
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const sha256 = async (text) =>
  base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));

let discovery;
async function discover() {
  discovery ??= await answer(await fetch(discoveryPath));
  return discovery;
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw new Error([body.error ?? `HTTP ${response.status}`, body.error_description].filter(Boolean).join(': '));
}

async function login() {
  const { authorization_endpoint } = await discover();
  const flow = { state: random(), nonce: random(), verifier: random() };
  store('flow', flow);
  location.assign(
    `${authorization_endpoint}?${new URLSearchParams({
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope,
      ui_locales: document.documentElement.lang,
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: await sha256(flow.verifier),
      code_challenge_method: 'S256',
    })}`,
  );
}

async function finish(query) {
  const flow = stored('flow');
  forget('flow');
  history.replaceState(null, '', location.pathname);
  if (!flow || query.get('state') !== flow.state) throw new Error('state: not the one that this tab sent');
  const { issuer, authorization_response_iss_parameter_supported } = await discover();
  // RFC 9207 §2.4: an answer from another server must not be taken to this one.
  const iss = query.get('iss');
  if (iss ? iss !== issuer : authorization_response_iss_parameter_supported) throw new Error(`iss: expected ${issuer}`);
  if (query.has('error')) {
    throw new Error([query.get('error'), query.get('error_description')].filter(Boolean).join(': '));
  }
  const tokens = await grant({
    grant_type: 'authorization_code',
    code: query.get('code'),
    redirect_uri: redirectUri,
    code_verifier: flow.verifier,
  });
  const claims = decode(tokens.id_token)?.claims ?? {};
  if (claims.nonce !== flow.nonce) throw new Error('nonce: not the one that this tab sent');
  if (claims.iss !== issuer) throw new Error(`iss: expected ${issuer}`);
  if (![claims.aud].flat().includes(clientId)) throw new Error(`aud: expected ${clientId}`);
  store('tokens', tokens);
}

async function grant(parameters) {
  const { token_endpoint } = await discover();
  const body = new URLSearchParams({ client_id: clientId, ...parameters });
  return answer(await fetch(token_endpoint, { method: 'POST', body }));
}

async function refresh() {
  const tokens = stored('tokens');
  const fresh = await grant({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
  store('tokens', { ...tokens, ...fresh });
  await show();
  say(root.dataset.refreshed);
}

async function logout() {
  const { end_session_endpoint } = await discover();
  const { id_token } = stored('tokens');
  forget('tokens');
  location.assign(
    `${end_session_endpoint}?${new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri: redirectUri })}`,
  );
}

async function show() {
  const tokens = stored('tokens');
  element('start').hidden = Boolean(tokens);
  element('actions').hidden = !tokens;
  element('result').hidden = !tokens;
  if (!tokens) return;
  element('refresh').hidden = !tokens.refresh_token;
  fillToken('id_token', tokens.id_token);
  fillToken('access_token', tokens.access_token);
  fillRaw('refresh_token', tokens.refresh_token);
  const { userinfo_endpoint } = await discover();
  const authorization = `Bearer ${tokens.access_token}`;
  const userinfo = await answer(await fetch(userinfo_endpoint, { headers: { authorization } }));
  fillRaw('userinfo', '', JSON.stringify(userinfo, null, 2));
  fillList(part('userinfo', 'claims'), userinfo);
}

function decode(token) {
  try {
    const read = (text) => {
      const binary = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (byte) => byte.charCodeAt(0))));
    };
    const [header, claims] = token.split('.');
    return { header: read(header), claims: read(claims) };
  } catch {
    return undefined;
  }
}

const part = (id, name) => element(id).querySelector(`[data-part="${name}"]`);

function fillToken(id, token) {
  fillRaw(id, token);
  const decoded = token ? decode(token) : undefined;
  element(id).querySelector('[data-absent]').hidden = Boolean(decoded);
  for (const name of ['header', 'claims']) fillList(part(id, name), decoded?.[name]);
}

function fillRaw(id, text = '', copied = text) {
  const section = element(id);
  section.querySelector('[data-raw]').textContent = text;
  const copy = section.querySelector('[data-copy]');
  copy.hidden = !copied;
  copy.value = copied;
  if (id === 'refresh_token') section.querySelector('[data-absent]').hidden = Boolean(text);
}

const TIMES = new Set(['exp', 'iat', 'nbf', 'auth_time', 'updated_at']);

function fillList(container, values) {
  container.hidden = !values;
  const rows = Object.entries(values ?? {}).flatMap(([name, value]) => {
    const term = document.createElement('dt');
    const detail = document.createElement('dd');
    term.textContent = name;
    detail.textContent = typeof value === 'string' ? value : JSON.stringify(value, null, isFlat(value) ? 0 : 2);
    if (TIMES.has(name) && typeof value === 'number') {
      const time = document.createElement('small');
      time.textContent = new Date(value * 1000).toLocaleString(document.documentElement.lang);
      detail.append(time);
    }
    return [term, detail];
  });
  container.querySelector('dl').replaceChildren(...rows);
}

const isFlat = (value) => JSON.stringify(value).length < 60;

function say(text) {
  element('status').textContent = text;
}

/** Runs one step: words while it works, the reason when it fails, and no second press meanwhile. */
async function run(step, done = '') {
  const buttons = [...root.querySelectorAll('.bar button')];
  for (const button of buttons) button.disabled = true;
  element('failure').hidden = true;
  say(root.dataset.working);
  try {
    await step();
    if (done) say(done);
    else if (element('status').textContent === root.dataset.working) say('');
  } catch (error) {
    say('');
    element('failure').hidden = false;
    element('failure').querySelector('span').textContent = error.message;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

element('login').addEventListener('click', () => run(login));
element('refresh').addEventListener('click', () => run(refresh));
element('logout').addEventListener('click', () => run(logout));
root.addEventListener('click', async ({ target }) => {
  if (!(target instanceof HTMLButtonElement) || !('copy' in target.dataset)) return;
  await navigator.clipboard.writeText(target.value);
  const label = target.textContent;
  if (label === root.dataset.copied) return;
  target.textContent = root.dataset.copied;
  setTimeout(() => {
    target.textContent = label;
  }, 1500);
});

root.hidden = false;
const query = new URLSearchParams(location.search);
if (query.has('code') || query.has('error')) await run(() => finish(query));
else if (query.has('state')) history.replaceState(null, '', location.pathname);
if (stored('tokens')) await run(show);
