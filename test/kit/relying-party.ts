/** A small relying party of the tests: a web server that logs in with openid-client and answers what it got as JSON. */
import * as oidc from 'openid-client';
import { listen } from './server.ts';
import type { TenantHandle } from './tenant.ts';

export type Login = { tokens: Record<string, string>; claims: Record<string, unknown> };

/**
 * `/login` starts a login (its query goes along as authorization parameters), `/callback` finishes it. A fresh one knows
 * the last login as `last`, and what else was asked for as `opened`; `/hang` is never answered, and `/onward` goes on to
 * `to`.
 */
export async function relyingParty(t: TenantHandle, fields: Record<string, unknown> = {}) {
  const pending = new Map<string, string>();
  const state: { last?: Login; opened: string[] } = { opened: [] };
  const { origin, serve } = await listen();
  serve(async (request, response) => {
    const url = new URL(request.url ?? '/', origin);
    try {
      if (url.pathname === '/login') {
        const verifier = oidc.randomPKCECodeVerifier();
        const key = oidc.randomState();
        pending.set(key, verifier);
        const target = oidc.buildAuthorizationUrl(config, {
          redirect_uri: `${origin}/callback`,
          scope: 'openid profile email offline_access',
          code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          state: key,
          ...Object.fromEntries(url.searchParams),
        });
        response.writeHead(302, { location: target.href }).end();
      } else if (url.pathname === '/callback') {
        const key = url.searchParams.get('state') ?? '';
        if (url.searchParams.has('error')) throw new Error(url.searchParams.get('error') ?? '');
        const tokens = await oidc.authorizationCodeGrant(config, url, {
          pkceCodeVerifier: pending.get(key),
          expectedState: key,
          idTokenExpected: true,
        });
        state.last = { tokens: tokens as unknown as Record<string, string>, claims: { ...tokens.claims() } };
        response.end(`<h1>Hello ${tokens.claims()?.name}</h1>`);
      } else {
        state.opened.push(request.url ?? '');
        if (url.pathname === '/hang') return;
        if (url.pathname === '/onward')
          return void response.writeHead(303, { location: url.searchParams.get('to')! }).end();
        response.end('<h1>Signed out of the app</h1>');
      }
    } catch (error) {
      response.writeHead(400).end(`<h1>failed: ${(error as Error).message}</h1>`);
    }
  });
  const client = await t.client({ callbacks: [`${origin}/callback`], logout_urls: [`${origin}/bye`], ...fields });
  const config = await t.discover(client);
  return { origin, client, config, state, loginUrl: `${origin}/login`, byeUrl: `${origin}/bye` };
}
