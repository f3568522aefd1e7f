/**
 * Discovery states exactly what works (RFC 8414 §2, OpenID Connect Discovery §3). Each member of the document is a line
 * of a table that says how it is tried: a list by its candidates, of which those that work have to be the stated ones; a
 * boolean by trying it; an address by using it. A member that the table does not know fails the test.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
} from 'jose';
import {
  type Agent,
  agent,
  type Client,
  challengeOf,
  credentialsOf,
  epochSeconds,
  follow,
  listen,
  REDIRECT,
  signIn,
  type TenantHandle,
  world,
} from '../kit/index.ts';
import { logoutReceiver } from '../kit/logout-receiver.ts';

const w = await world();
const GRANT = 'urn:ietf:params:oauth:grant-type:';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const BANK = 'https://bank.example.com';
const BYE = 'https://app.example.com/bye';
const ALL_SCOPES = 'openid profile email phone address offline_access';
/** Every algorithm that a key may be made for here; symmetric ones by the client's secret. */
const ALGS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA'];

// biome-ignore lint/suspicious/noExplicitAny: answers are inspected field by field
type Json = any;
type Form = Record<string, string>;
/** Whether it works. */
type Try = () => Promise<boolean>;
/** How a member is tried: the values that are known in the field, what a boolean promises, or whatever it takes. */
type Member =
  | { each: Record<string, Try> }
  | { flag: Try /** What its absence says. */; absent?: boolean }
  | { check: (value: Json) => Promise<unknown> };

type Pair = { privateKey: CryptoKey; jwk: Record<string, unknown>; alg: string };
const pairs = new Map<string, Promise<Pair>>();
function keyPair(alg: string): Promise<Pair> {
  const made =
    pairs.get(alg) ??
    generateKeyPair(alg, { extractable: true }).then(async ({ privateKey, publicKey }) => ({
      privateKey,
      jwk: { ...(await exportJWK(publicKey)), kid: alg },
      alg,
    }));
  pairs.set(alg, made);
  return made;
}
const each = (names: readonly string[], make: (name: string) => Promise<boolean>): { each: Record<string, Try> } => ({
  each: Object.fromEntries(names.map((name) => [name, () => make(name)])),
});

/** Every way to try something at one tenant. */
async function bench(t: TenantHandle) {
  const user = await t.user({
    given_name: 'Ada',
    family_name: 'Lovelace',
    middle_name: 'King',
    nickname: 'Ada',
    username: 'ada',
    picture: 'https://example.com/ada.png',
    website: 'https://example.com/ada',
    profile: 'https://example.com/people/ada',
    gender: 'female',
    birth_date: '1815-12-10',
    zoneinfo: 'Europe/London',
    locale: 'en',
    phone: '+441234567890',
    address: { locality: 'London' },
  });
  const client = await t.client({ logout_urls: [BYE] });
  const visit = agent();
  const discovered = async (): Promise<Json> => (await w.send(`${t.origin}/.well-known/openid-configuration`)).body;
  const document = await discovered();

  const secretsOf = (of: Client): Form => ({
    ...credentialsOf(of),
  });
  const post = (url: string, form: Form, headers: Form = {}) => w.send<Json>(url, { method: 'POST', form, headers });
  const verifier = randomBytes(32).toString('base64url');
  const request = (more: Form = {}, of: Client = client): Form => ({
    response_type: 'code',
    client_id: of.client_id,
    redirect_uri: REDIRECT,
    scope: 'openid',
    state: 's',
    nonce: 'n',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...more,
  });
  const urlOf = (form: Form) => `${document.authorization_endpoint}?${new URLSearchParams(form)}`;
  await signIn(visit, urlOf(request()), user);

  /** Where an authorization request leads in the browser of the user. */
  const authorize = async (form: Form, browser: Agent = visit) => {
    const at = await follow(browser, await browser(urlOf(form)), REDIRECT);
    const answer = at.location?.startsWith(REDIRECT) ? new URL(at.location) : undefined;
    return { at, answer, params: new URLSearchParams(answer ? answer.search || answer.hash.slice(1) : '') };
  };
  const token = (form: Form, headers: Form = {}) => post(document.token_endpoint, form, headers);
  const redeem = async (more: Form = {}, of: Client = client, form: Form = {}) => {
    const { params, at } = await authorize(request(more, of));
    const code = params.get('code');
    assert.ok(code, `${at.url} ${at.status} ${at.location}`);
    const redeemed = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier };
    return token({ ...redeemed, ...secretsOf(of), ...form });
  };
  const tokens = async (more: Form = {}, of: Client = client) => {
    const { status, body, text } = await redeem(more, of);
    assert.equal(status, 200, text);
    return body as Record<string, string> & { expires_in: number };
  };
  const userinfo = (accessToken: string, headers: Form = {}) =>
    w.send<Json>(document.userinfo_endpoint, { headers: { authorization: `Bearer ${accessToken}`, ...headers } });
  /** A client, where its metadata is taken. */
  const clientWith = async (fields: object): Promise<Client | undefined> => {
    const made = await t.call<Json>('POST', '/client', { name: 'Tried', callbacks: [REDIRECT], ...fields });
    return made.status === 201 || made.status === 200 ? made.body : undefined;
  };
  const sign = ({ privateKey, alg, jwk }: Pair, claims: object, header: object = {}) =>
    new SignJWT({ ...claims }).setProtectedHeader({ alg, kid: jwk.kid as string, ...header }).sign(privateKey);

  /** Whether a client that authenticates this way gets past the door of an endpoint. */
  async function authenticates(method: string, url: string, alg = 'ES256'): Promise<boolean> {
    const pair = await keyPair(alg);
    const of = await clientWith({
      token_endpoint_auth_method: method,
      ...(method === 'private_key_jwt' && { jwks: { keys: [pair.jwk] } }),
    });
    if (!of || of.token_endpoint_auth_method !== method) return false;
    const { client_id, client_secret } = of;
    const claims = { iss: client_id, sub: client_id, aud: t.origin, jti: randomBytes(9).toString('hex') };
    const proofs: Record<string, () => Promise<[Form, Form?]>> = {
      client_secret_basic: async () => [
        {},
        { authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}` },
      ],
      client_secret_post: async () => [{ client_id, client_secret }],
      none: async () => [{ client_id }],
      private_key_jwt: async () => [
        {
          client_id,
          client_assertion_type: ASSERTION,
          client_assertion: await sign(pair, { ...claims, iat: epochSeconds(), exp: epochSeconds() + 60 }),
        },
      ],
    };
    const [form, headers] = await proofs[method]!();
    const asked =
      url === document.pushed_authorization_request_endpoint
        ? request({}, of)
        : { grant_type: 'refresh_token', refresh_token: 'x', token: 'x' };
    const { status, body } = await post(url, { ...asked, ...form }, headers);
    if (url === document.token_endpoint) return body.error === 'invalid_grant';
    return status < 300;
  }

  /** A DPoP-bound token for a proof of this algorithm (RFC 9449 §5). */
  async function provesPossession(alg: string): Promise<boolean> {
    const pair = await keyPair(alg);
    const { kid: _, ...jwk } = pair.jwk;
    const proof = await new SignJWT({
      htm: 'POST',
      htu: document.token_endpoint,
      jti: randomBytes(9).toString('hex'),
      iat: epochSeconds(),
    })
      .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk })
      .sign(pair.privateKey);
    const { body } = await token({ grant_type: 'client_credentials', ...secretsOf(client) }, { dpop: proof });
    if (body.token_type !== 'DPoP') return false;
    const { cnf } = decodeJwt(body.access_token) as { cnf?: { jkt?: string } };
    return cnf?.jkt === (await calculateJwkThumbprint(jwk as never));
  }

  /** An authorization request as a signed object (RFC 9101). */
  async function takesRequestObject(alg: string): Promise<boolean> {
    const pair = await keyPair(alg);
    const of = await clientWith({ jwks: { keys: [pair.jwk] } });
    if (!of) return false;
    const signed = await sign(
      pair,
      {
        ...request({}, of),
        iss: of.client_id,
        aud: t.origin,
        iat: epochSeconds(),
        nbf: epochSeconds(),
        exp: epochSeconds() + 60,
      },
      { typ: 'oauth-authz-req+jwt' },
    );
    const { params } = await authorize({ client_id: of.client_id, request: signed });
    return params.has('code');
  }

  /** Whether an answer comes by this mode (or is refused as a mode). */
  const answersBy: Record<string, (form: Form) => Promise<boolean>> = {
    query: async (form) => (await authorize(form)).answer?.searchParams.has('code') ?? false,
    fragment: async (form) => /[#&]code=/.test((await authorize(form)).answer?.hash ?? ''),
    form_post: async (form) => /name="code"/.test((await authorize(form)).at.text),
    web_message: async (form) => /data-message="[^"]*code/.test((await authorize({ ...form, prompt: 'none' })).at.text),
    jwt: async (form) => (await authorize(form)).params.has('response'),
    'query.jwt': async (form) => (await authorize(form)).answer?.searchParams.has('response') ?? false,
    'fragment.jwt': async (form) => /[#&]response=/.test((await authorize(form)).answer?.hash ?? ''),
    'web_message.jwt': async (form) =>
      /data-message="[^"]*&quot;:\{&quot;response&quot;:/.test((await authorize({ ...form, prompt: 'none' })).at.text),
    'form_post.jwt': async (form) => /name="response"/.test((await authorize(form)).at.text),
  };

  /** Whether a grant is served: a success, or an error that only whoever serves it can give. */
  const grants: Record<string, Try> = {
    authorization_code: async () => (await redeem()).status === 200,
    refresh_token: async () => {
      const { refresh_token } = await tokens({ scope: 'openid offline_access' });
      return (
        (await token({ grant_type: 'refresh_token', refresh_token: refresh_token!, ...secretsOf(client) })).status ===
        200
      );
    },
    client_credentials: async () =>
      (await token({ grant_type: 'client_credentials', ...secretsOf(client) })).status === 200,
    [`${GRANT}device_code`]: async () => {
      const { body } = await post(document.device_authorization_endpoint, { scope: 'openid', ...secretsOf(client) });
      const polled = await token({
        grant_type: `${GRANT}device_code`,
        device_code: body.device_code,
        ...secretsOf(client),
      });
      return polled.body.error === 'authorization_pending';
    },
    password: async () => {
      const of = await clientWith({ grant_types: ['password'] });
      const { email: username, password } = user;
      return (await token({ grant_type: 'password', username, password, ...secretsOf(of!) })).status === 200;
    },
    'http://auth0.com/oauth/grant-type/passwordless/otp': async () => {
      await t.call('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
      const { status, body } = await token({
        grant_type: 'http://auth0.com/oauth/grant-type/passwordless/otp',
        username: 'nobody@example.com',
        otp: '000000',
        realm: 'email',
        ...secretsOf(client),
      });
      return status === 401 && body.error === 'invalid_grant';
    },
    [`${GRANT}token-exchange`]: async () => {
      const { access_token } = await tokens();
      const { body } = await token({
        grant_type: `${GRANT}token-exchange`,
        subject_token: access_token!,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        ...secretsOf(client),
      });
      return body.issued_token_type === 'urn:ietf:params:oauth:token-type:access_token';
    },
  };
  const unserved =
    (grant_type: string): Try =>
    async () => {
      const { status, body } = await token({ grant_type, assertion: 'x', auth_req_id: 'x', ...secretsOf(client) });
      return !(status === 400 && body.error === 'unsupported_grant_type');
    };

  const keys = createRemoteJWKSet(new URL(document.jwks_uri));
  const promptShown = async (prompt: string) => {
    const { at, params } = await authorize(request({ prompt }));
    return !params.has('error') && /\/flow\//.test(at.url);
  };

  /** The members of the document. What another feature adds is a line here. */
  const members: Record<string, Member> = {
    issuer: {
      check: async (issuer) => {
        const { id_token, access_token } = await tokens();
        assert.deepEqual([issuer, decodeJwt(id_token!).iss, decodeJwt(access_token!).iss], Array(3).fill(t.origin));
      },
    },
    jwks_uri: {
      check: async () => {
        const { id_token, access_token } = await tokens();
        for (const jwt of [id_token!, access_token!]) await jwtVerify(jwt, keys, { issuer: t.origin });
      },
    },
    authorization_endpoint: { check: async () => assert.equal((await redeem()).status, 200) },
    token_endpoint: { check: async () => assert.equal((await redeem()).status, 200) },
    userinfo_endpoint: {
      check: async () => assert.equal((await userinfo((await tokens()).access_token!)).body.sub, user.id),
    },
    introspection_endpoint: {
      check: async (url) => {
        const { access_token } = await tokens();
        assert.equal((await post(url, { token: access_token!, ...secretsOf(client) })).body.active, true);
      },
    },
    revocation_endpoint: {
      check: async (url) => {
        const { access_token } = await tokens();
        assert.equal((await post(url, { token: access_token!, ...secretsOf(client) })).status, 200);
        assert.equal((await userinfo(access_token!)).status, 401);
      },
    },
    end_session_endpoint: {
      check: async (url) => {
        const browser = agent();
        await signIn(browser, urlOf(request()), user);
        const { params } = await authorize(request(), browser);
        const { body } = await token({
          grant_type: 'authorization_code',
          code: params.get('code')!,
          redirect_uri: REDIRECT,
          code_verifier: verifier,
          ...secretsOf(client),
        });
        const query = new URLSearchParams({ id_token_hint: body.id_token, post_logout_redirect_uri: BYE });
        assert.equal((await browser(`${url}?${query}`)).location, BYE);
        assert.equal((await authorize(request({ prompt: 'none' }), browser)).params.get('error'), 'login_required');
      },
    },
    device_authorization_endpoint: { check: async () => assert.ok(await grants[`${GRANT}device_code`]!()) },
    pushed_authorization_request_endpoint: {
      check: async (url) => {
        const { status, body } = await post(url, { ...request(), ...secretsOf(client) });
        assert.equal(status, 201);
        const { client_id } = client;
        assert.ok((await authorize({ client_id, request_uri: body.request_uri })).params.has('code'));
      },
    },
    registration_endpoint: {
      check: async (url) => {
        const { status, body } = await w.send<Json>(url, { method: 'POST', json: { redirect_uris: [REDIRECT] } });
        assert.equal(status, 201, JSON.stringify(body));
        assert.ok((await authorize(request({}, body))).at.url.includes('/flow/'));
      },
    },
    management_audience: {
      check: async (audience) => {
        const machine = await t.machineToken(t.admin, audience);
        assert.equal((await w.call(t.origin, machine, 'GET', '/role')).status, 200);
      },
    },

    grant_types_supported: {
      each: {
        ...grants,
        ...Object.fromEntries(
          [
            'implicit',
            `${GRANT}jwt-bearer`,
            `${GRANT}saml2-bearer`,
            'urn:openid:params:grant-type:ciba',
            'made-up',
          ].map((type) => [type, unserved(type)]),
        ),
      },
    },
    response_types_supported: each(
      ['code', 'token', 'id_token', 'code token', 'code id_token', 'id_token token', 'code id_token token', 'none'],
      async (response_type) => {
        const { params } = await authorize(request({ response_type }));
        return !params.has('error') && [...params].length > 1;
      },
    ),
    response_modes_supported: each(Object.keys(answersBy), (response_mode) =>
      answersBy[response_mode]!(request({ response_mode })),
    ),
    prompt_values_supported: {
      each: {
        none: async () => (await authorize(request({ prompt: 'none' }))).params.has('code'),
        login: () => promptShown('login'),
        consent: () => promptShown('consent'),
        select_account: () => promptShown('select_account'),
        create: () => promptShown('create'),
      },
    },
    code_challenge_methods_supported: {
      each: {
        S256: async () => (await redeem()).status === 200,
        plain: async () => {
          const { params } = await authorize(request({ code_challenge: verifier, code_challenge_method: 'plain' }));
          return params.has('code');
        },
      },
    },
    scopes_supported: each([...ALL_SCOPES.split(' '), 'groups', 'roles', 'made-up'], async (scope) => {
      const { scope: granted } = await tokens({ scope: [...new Set(['openid', scope])].join(' ') });
      return granted!.split(' ').includes(scope);
    }),
    claims_supported: {
      check: async (stated: string[]) => {
        const { id_token, access_token } = await tokens({ scope: ALL_SCOPES, max_age: '3600' });
        const told = { ...decodeJwt(id_token!), ...(await userinfo(access_token!)).body };
        // About the token and the request, not about the user.
        for (const name of ['aud', 'exp', 'iat', 'nonce', 'at_hash']) delete told[name];
        assert.deepEqual([...stated].sort(), Object.keys(told).sort());
      },
    },
    claim_types_supported: {
      each: {
        normal: async () =>
          typeof (await userinfo((await tokens({ scope: ALL_SCOPES })).access_token!)).body.email === 'string',
        aggregated: async () =>
          '_claim_names' in (await userinfo((await tokens({ scope: ALL_SCOPES })).access_token!)).body,
      },
    },
    subject_types_supported: {
      each: {
        public: async () => decodeJwt((await tokens()).id_token!).sub === user.id,
        pairwise: async () => {
          const answer = await w.send<Json>(`${t.origin}/oidc/register`, {
            method: 'POST',
            json: { redirect_uris: [REDIRECT], subject_type: 'pairwise' },
          });
          return answer.status === 201 && answer.body.subject_type === 'pairwise';
        },
      },
    },
    ui_locales_supported: each(['en', 'es', 'fr', 'de', 'ja'], async (ui_locales) => {
      const { at } = await authorize(request({ prompt: 'login', ui_locales }));
      return new RegExp(`<html lang="${ui_locales}"`).test(at.text);
    }),

    token_endpoint_auth_methods_supported: each(AUTH_METHODS, (method) =>
      authenticates(method, document.token_endpoint),
    ),
    token_endpoint_auth_signing_alg_values_supported: each(ALGS, (alg) =>
      authenticates('private_key_jwt', document.token_endpoint, alg),
    ),
    introspection_endpoint_auth_methods_supported: each(AUTH_METHODS, (method) =>
      authenticates(method, document.introspection_endpoint),
    ),
    introspection_endpoint_auth_signing_alg_values_supported: each(ALGS, (alg) =>
      authenticates('private_key_jwt', document.introspection_endpoint, alg),
    ),
    revocation_endpoint_auth_methods_supported: each(AUTH_METHODS, (method) =>
      authenticates(method, document.revocation_endpoint),
    ),
    revocation_endpoint_auth_signing_alg_values_supported: each(ALGS, (alg) =>
      authenticates('private_key_jwt', document.revocation_endpoint, alg),
    ),
    dpop_signing_alg_values_supported: each(ALGS, provesPossession),
    id_token_signing_alg_values_supported: each(ALGS, async (alg) => {
      const of = await clientWith({ id_token_signed_response_alg: alg });
      if (!of) return false;
      const { id_token } = await tokens({}, of);
      await jwtVerify(id_token!, createRemoteJWKSet(new URL(document.jwks_uri)), { audience: of.client_id });
      return decodeProtectedHeader(id_token!).alg === alg;
    }),
    userinfo_signing_alg_values_supported: each(ALGS, async (alg) => {
      const of = await clientWith({ userinfo_signed_response_alg: alg });
      // A client whose algorithm the engine does not have cannot even start a login.
      if (!of || !(await authorize(request({}, of))).params.has('code')) return false;
      const { text, headers } = await userinfo((await tokens({}, of)).access_token!);
      return /application\/jwt/.test(headers.get('content-type') ?? '') && decodeProtectedHeader(text).alg === alg;
    }),
    authorization_signing_alg_values_supported: each(ALGS, async (alg) => {
      const of = await clientWith({ authorization_signed_response_alg: alg });
      if (!of) return false;
      const response = (await authorize(request({ response_mode: 'jwt' }, of))).params.get('response');
      return response !== null && decodeProtectedHeader(response).alg === alg;
    }),
    acr_values_supported: each(
      ['urn:made-up', '0', 'phr', 'phrh', ...(document.acr_values_supported ?? [])],
      async (acr) => {
        const claims = JSON.stringify({ id_token: { acr: { essential: true, value: acr } } });
        const { params } = await authorize(request({ claims, prompt: 'none' }));
        return params.has('code');
      },
    ),
    authorization_details_types_supported: each(['payment', 'made-up'], async (type) => {
      await t.call('POST', '/api', { name: 'Bank', identifier: BANK });
      const authorization_details = JSON.stringify([{ type }]);
      const { at, params } = await authorize(request({ authorization_details, audience: BANK }));
      return params.has('code') || at.url.includes('/flow/');
    }),
    request_object_signing_alg_values_supported: each(ALGS, takesRequestObject),

    authorization_response_iss_parameter_supported: {
      flag: async () => (await authorize(request())).params.get('iss') === t.origin,
    },
    request_parameter_supported: { flag: () => takesRequestObject('ES256') },
    request_uri_parameter_supported: {
      absent: true,
      flag: async () => {
        const { params } = await authorize(request({ request_uri: 'https://app.example.com/request.jwt' }));
        return !['request_uri_not_supported', 'invalid_request'].includes(params.get('error') ?? 'invalid_request');
      },
    },
    claims_parameter_supported: {
      flag: async () => {
        const claims = JSON.stringify({ userinfo: { email: { essential: true } } });
        return (await userinfo((await tokens({ claims })).access_token!)).body.email === user.email;
      },
    },
    require_pushed_authorization_requests: { flag: async () => (await authorize(request())).params.has('error') },
    require_signed_request_object: { flag: async () => (await authorize(request())).params.has('error') },
    client_id_metadata_document_supported: {
      flag: async () => {
        const { origin, serve } = await listen();
        const client_id = `${origin}/oauth/client.json`;
        serve((_request, response) =>
          response
            .setHeader('content-type', 'application/json')
            .end(JSON.stringify({ client_id, client_name: 'Agent', redirect_uris: [REDIRECT] })),
        );
        return (await authorize(request({ client_id }))).at.url.includes('/flow/');
      },
    },
    backchannel_logout_supported: { flag: async () => (await loggedOut()).told.length === 1 },
    backchannel_logout_session_supported: {
      flag: async () => {
        const { told, sid } = await loggedOut();
        return told[0]?.sid === sid;
      },
    },
    frontchannel_logout_supported: { flag: async () => (await loggedOut()).frame !== undefined },
    frontchannel_logout_session_supported: {
      flag: async () => {
        const { frame, sid } = await loggedOut();
        return frame?.searchParams.get('sid') === sid && frame?.searchParams.get('iss') === t.origin;
      },
    },
  };

  /** A session that ends: what the client was told of it, by its back and its front. */
  let ended: ReturnType<typeof logOut> | undefined;
  const loggedOut = () => {
    ended ??= logOut();
    return ended;
  };
  async function logOut() {
    const receiver = await logoutReceiver();
    const of = await t.client({
      logout_urls: [BYE],
      backchannel_logout_uri: receiver.url,
      frontchannel_logout_uri: 'http://127.0.0.1:9/front',
      frontchannel_logout_session_required: true,
    });
    const browser = agent();
    const landed = await signIn(browser, urlOf(request({}, of)), user);
    const { body } = await token({
      grant_type: 'authorization_code',
      code: landed.searchParams.get('code')!,
      redirect_uri: REDIRECT,
      code_verifier: verifier,
      ...secretsOf(of),
    });
    const query = new URLSearchParams({ id_token_hint: body.id_token, post_logout_redirect_uri: BYE });
    const page = await browser(`${document.end_session_endpoint}?${query}`);
    await w.deliver();
    const frame = /<iframe[^>]*src="([^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&');
    return {
      sid: decodeJwt(body.id_token).sid,
      told: await receiver.tokens(t.origin, of.client_id),
      frame: frame ? new URL(frame) : undefined,
    };
  }

  return { document, members };
}

const AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
];

/** What an account's settings turn on, beside whatever is stated differently there. */
const OPTIONAL = [
  'response_modes_supported',
  'request_parameter_supported',
  'request_object_signing_alg_values_supported',
  'authorization_signing_alg_values_supported',
  'authorization_details_types_supported',
  'client_id_metadata_document_supported',
];

async function account(oauth_settings: object) {
  const t = await w.tenant();
  await t.api('POST', `/account/${t.id}`, { oauth_settings });
  return bench(t);
}
type Bench = Awaited<ReturnType<typeof account>>;

async function holds({ document, members }: Bench, member: string): Promise<void> {
  const [stated, how] = [document[member], members[member]!];
  if ('check' in how) {
    if (stated !== undefined) await how.check(stated);
  } else if ('flag' in how) {
    assert.equal(await how.flag(), stated ?? how.absent ?? false);
  } else {
    const works: string[] = [];
    for (const [value, attempt] of Object.entries(how.each)) if (await attempt()) works.push(value);
    assert.deepEqual([...(stated ?? [])].sort(), works.sort());
  }
}

const usual = await account({});
const everything = await account({
  client_id_metadata_documents: 'any',
  request_objects: true,
  jwt_response_modes: true,
  authorization_details_types: ['payment'],
});

for (const [name, { document, members }] of Object.entries({ usual, everything }))
  test(`nothing is stated that is not tried here (${name})`, () => {
    const untried = Object.keys(document).filter((member) => !members[member]);
    assert.deepEqual(untried, []);
  });

describe('an account as it comes states what works', () => {
  for (const member of Object.keys(usual.members)) test(member, () => holds(usual, member));
});

describe('so does one with everything turned on', () => {
  const kind = (value: unknown) => (typeof value === 'string' ? typeof value : JSON.stringify(value));
  const differs = (member: string) => kind(usual.document[member]) !== kind(everything.document[member]);
  for (const member of Object.keys(everything.members))
    if (OPTIONAL.includes(member) || differs(member)) test(member, () => holds(everything, member));
});
