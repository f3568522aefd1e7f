/** What a tenant publishes about itself (RFC 8414), and the keys that its tokens are checked with. */
import { createRemoteJWKSet } from 'jose';
import { type Json, send } from './http.ts';

export const discovery = async (t: { origin: string }): Promise<Json> =>
  (await send(`${t.origin}/.well-known/openid-configuration`)).body;

export const publishedKeys = (t: { origin: string }) =>
  createRemoteJWKSet(new URL(`${t.origin}/.well-known/jwks.json`));
