/**
 * THE list of short ways: what most requests ask for, answered without the engine, in the engine's words and headers. What
 * is asked in any other way is the engine's to answer, and so is every refusal. The test world has the engine answer
 * whatever one of these answered, and compares.
 */
import type { FastifyRequest } from 'fastify';
import { PATHS } from '../engine/configure.ts';
import { introspection } from './introspection.ts';
import { machineToken } from './machine-token.ts';
import { userinfo } from './userinfo.ts';

export type ShortWay = {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  /** The body, or nothing where the engine has to look. @param form with `audience` as `resource`, and no JWTs in it. */
  answer(request: FastifyRequest, form: URLSearchParams): Promise<object | undefined>;
};

/** As the engine has them; `exposed` are what an address may tell an app in a browser by. */
const headers = (exposed: string) => ({
  'cache-control': 'no-store',
  vary: 'Origin',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': exposed,
  'content-type': 'application/json; charset=utf-8',
});
const WITH_NONCE = headers('DPoP-Nonce,WWW-Authenticate,Retry-After');

export const SHORT_WAYS: readonly ShortWay[] = [
  { method: 'POST', url: PATHS.token, headers: WITH_NONCE, answer: machineToken },
  { method: 'GET', url: PATHS.userinfo, headers: WITH_NONCE, answer: userinfo },
  { method: 'POST', url: PATHS.introspection, headers: headers('WWW-Authenticate,Retry-After'), answer: introspection },
];

/** Sees what a short way is about to answer, and the form as it was sent, if one was. */
export type OnShortAnswer = (
  request: FastifyRequest,
  form: string | undefined,
  answer: { headers: Record<string, unknown>; body: string },
) => Promise<void>;
