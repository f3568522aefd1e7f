/** The back-channel logout endpoint of a relying party of the tests: a web server that keeps what it is sent. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { listen } from './server.ts';

export type Receiver = Awaited<ReturnType<typeof logoutReceiver>>;

/** Answers 200 unless `state.answer` says otherwise. */
export async function logoutReceiver() {
  const state = {
    bodies: [] as string[],
    headers: [] as IncomingMessage['headers'][],
    answer: (response: ServerResponse): void => void response.end(),
  };
  const { origin, serve } = await listen();
  serve(async (request, response) => {
    const body = await text(request);
    assert.equal(request.method, 'POST');
    state.bodies.push(body);
    state.headers.push(request.headers);
    state.answer(response);
  });
  return {
    url: `${origin}/backchannel?app=1`,
    state,
    /** Everything received so far, checked as §2.6 of Back-Channel Logout has it. */
    async tokens(issuer: string, audience: string): Promise<JWTPayload[]> {
      const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
      return Promise.all(
        state.bodies.map(async (body) => {
          const form = new URLSearchParams(body);
          assert.deepEqual([...form.keys()], ['logout_token']);
          const { payload, protectedHeader } = await jwtVerify(form.get('logout_token')!, keys, {
            issuer,
            audience,
            typ: 'logout+jwt',
            algorithms: ['RS256'],
            requiredClaims: ['iat', 'exp', 'jti', 'sub'],
          });
          assert.ok(protectedHeader.kid);
          assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} });
          assert.equal(payload.exp! - payload.iat!, 120);
          assert.equal(payload.aud, audience, 'one audience is a string');
          assert.ok(!('nonce' in payload));
          return payload;
        }),
      );
    },
  };
}
