/** Authorization requests as a client makes them, by the browser or pushed, with PKCE. */
import { createHash, randomBytes } from 'node:crypto';
import { REDIRECT } from './agent.ts';
import type { Form } from './http.ts';
import type { Client } from './tenant.ts';
import { credentialsOf, post } from './tokens.ts';

/** The challenge to a verifier (RFC 7636 §4.2). */
export const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

export const pkce = (): { verifier: string; challenge: string } => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: challengeOf(verifier) };
};

/** Parameters of a code request, and the verifier that its code is redeemed with. */
export const requestOf = (client: Client, parameters: Form = {}): { verifier: string; parameters: Form } => {
  const { verifier, challenge } = pkce();
  return {
    verifier,
    parameters: {
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      scope: 'openid',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...parameters,
    },
  };
};

export const authorizeUrl = (t: { origin: string }, parameters: Form): string =>
  `${t.origin}/authorize?${new URLSearchParams(parameters)}`;

/** RFC 9126. */
export const push = (t: { origin: string }, client: Client, form: Form, headers = {}) =>
  post(t, '/oauth/par', { ...credentialsOf(client), ...form }, headers);
