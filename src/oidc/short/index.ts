/**
 * THE list of short ways: what most requests ask for, answered without the engine, in the engine's words and headers. What
 * is asked in any other way is the engine's to answer, and so is every refusal. The test world has the engine answer
 * whatever one of these answered, and compares.
 */
import type { FastifyRequest } from 'fastify';
import { PATHS } from '../engine/configure.ts';
import type { ProviderFor } from '../engine/providers.ts';
import { DISCOVERY_PATHS } from '../engine/published.ts';
import { introspection } from './introspection.ts';
import { machineToken } from './machine-token.ts';
import { published } from './published.ts';
import { userinfo } from './userinfo.ts';

export type ShortAnswer = { status: 200 | 304; headers: Record<string, string>; body?: string | Buffer };

export type ShortWay = {
  method: 'GET' | 'POST';
  url: string;
  /** Whether HEAD goes this way too. */
  head?: true;
  /** Nothing where the engine has to look. @param form with `audience` as `resource`, and no JWTs in it. */
  answer(request: FastifyRequest, form: URLSearchParams, providerFor: ProviderFor): Promise<ShortAnswer | undefined>;
};

/** As the engine has them; `exposed` are what an address may tell an app in a browser by. */
function asJson(
  exposed: string,
  answer: (request: FastifyRequest, form: URLSearchParams) => Promise<object | undefined>,
): ShortWay['answer'] {
  const headers = {
    'cache-control': 'no-store',
    vary: 'Origin',
    'access-control-allow-origin': '*',
    'access-control-expose-headers': exposed,
    'content-type': 'application/json; charset=utf-8',
  };
  return async (request, form) => {
    const body = await answer(request, form);
    return body && { status: 200, headers, body: JSON.stringify(body) };
  };
}

const PLAIN = 'WWW-Authenticate,Retry-After';
const WITH_NONCE = `DPoP-Nonce,${PLAIN}`;

export const SHORT_WAYS: readonly ShortWay[] = [
  { method: 'POST', url: PATHS.token, answer: asJson(WITH_NONCE, machineToken) },
  { method: 'GET', url: PATHS.userinfo, answer: asJson(WITH_NONCE, userinfo) },
  { method: 'POST', url: PATHS.introspection, answer: asJson(PLAIN, introspection) },
  ...[PATHS.jwks, ...DISCOVERY_PATHS].map((url) => ({ method: 'GET', url, head: true, answer: published }) as const),
];

/** Sees what a short way is about to answer, and the form as it was sent, if one was. */
export type OnShortAnswer = (
  request: FastifyRequest,
  form: string | undefined,
  answer: { status: number; headers: Record<string, unknown>; body: string },
) => Promise<void>;
