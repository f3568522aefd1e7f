/** Logins from an authorization request to where the browser ends up, or to tokens. */
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';
import { type Agent, agent, follow, formOf, type Page, REDIRECT, submit } from './agent.ts';
import { authorizeUrl, requestOf } from './authorization.ts';
import type { Form } from './http.ts';
import type { Client, TenantHandle } from './tenant.ts';

type Person = { email: string; password: string };

/** Fills in the password page, if that is where the browser stands, and goes on from there. */
export async function logIn(visit: Agent, page: Page, { email, password }: Person, stop = REDIRECT): Promise<Page> {
  if (!page.text.includes('name="password"')) return page;
  return follow(visit, await submit(visit, page, { email, password }), stop);
}

/**
 * Logs a user in at an authorization URL, who allows what is asked, and answers where the browser would end up: the
 * client's redirect with the code.
 */
export async function signIn(visit: Agent, url: string, user: Person, redirect = REDIRECT): Promise<URL> {
  let at = await follow(visit, await visit(url), redirect);
  for (let step = 0; step < 4 && !at.location?.startsWith(redirect); step += 1) {
    const fields: Form = formOf(at).action.includes('/consent')
      ? { decision: 'allow' }
      : { email: user.email, password: user.password };
    at = await follow(visit, await submit(visit, at, fields), redirect);
  }
  assert(at.location, `the login did not end: ${at.status} ${at.text.slice(0, 500)}`);
  return new URL(at.location);
}

/** A code, and what redeeming it takes; nothing of openid-client's in between. */
export async function codeOf(
  t: { origin: string },
  client: Client,
  user: Person,
  parameters: Form = {},
  visit = agent(),
): Promise<{ code: string; verifier: string; landed: URL; visit: Agent }> {
  const request = requestOf(client, parameters);
  const landed = await signIn(visit, authorizeUrl(t, request.parameters), user, request.parameters.redirect_uri);
  return { code: landed.searchParams.get('code') ?? '', verifier: request.verifier, landed, visit };
}

/** A user's tokens from the code flow as openid-client checks it, and the browser that got them. */
export async function tokensOf(t: TenantHandle, client: Client, user: Person, parameters: Form = {}, visit = agent()) {
  const config = await t.discover(client);
  const request = requestOf(client, parameters);
  const landed = await signIn(visit, oidc.buildAuthorizationUrl(config, request.parameters).href, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier: request.verifier });
  return { tokens, config, visit };
}

/** Where a browser that may not log in ends up: the client's address, or the page that stopped it. */
export async function arrive(url: string, visit: Agent = agent()) {
  const at = await follow(visit, await visit(url));
  const landed = at.location?.startsWith(REDIRECT) ? new URL(at.location).searchParams : undefined;
  return { ...at, error: landed?.get('error') ?? undefined, code: landed?.get('code') ?? undefined };
}
