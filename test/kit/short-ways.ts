/**
 * Holds the short ways to their word: whatever one of them answers is asked of the engine too, and a difference in status,
 * headers or body fails the request, and the file that it was made in.
 */
import assert from 'node:assert/strict';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { type AppOptions, buildApp } from '../../src/app.ts';
import type { OnShortAnswer } from '../../src/oidc/short/index.ts';

export type ComparedAnswer = { status: number; headers: Record<string, unknown>; body: string };

/** What belongs to the moment, the connection or the length of a signature. */
const NOT_COMPARED = ['date', 'x-request-id', 'content-length', 'connection', 'keep-alive', 'transfer-encoding'];

/** An access token that was just made, by what it says; everything else to the letter, and in its order. */
const readable = (body: string): string =>
  body &&
  JSON.stringify(
    JSON.parse(body, (key, value) => {
      if (key !== 'access_token') return value;
      const { iat, exp, jti, ...claims } = decodeJwt(value);
      return { header: decodeProtectedHeader(value), claims, order: Object.keys(decodeJwt(value)), life: exp! - iat! };
    }),
    undefined,
    2,
  );

const comparable = ({ status, headers, body }: ComparedAnswer) => ({
  status,
  headers: Object.fromEntries(
    Object.entries(headers)
      .filter(([name, value]) => !NOT_COMPARED.includes(name) && value !== undefined)
      .map(([name, value]) => [name, String(value)])
      .sort(),
  ),
  body: readable(body),
});

/** @throws AssertionError that shows what differs. */
export function assertSameAnswer(what: string, short: ComparedAnswer, engines: ComparedAnswer): void {
  assert.deepEqual(comparable(short), comparable(engines), `the short way answers ${what} otherwise than the engine`);
}

export function shortWayWitness() {
  let engine: FastifyInstance | undefined;
  const differences: unknown[] = [];
  /** How often each short way answered, by method and path. */
  const answered: Record<string, number> = {};

  const onShortAnswer: OnShortAnswer = async (request, form, short) => {
    const what = `${request.method} ${request.routeOptions.url}`;
    answered[what] = (answered[what] ?? 0) + 1;
    const { 'content-length': _length, 'transfer-encoding': _encoding, ...headers } = request.headers;
    const { statusCode, body, ...answer } = await engine!.inject({
      method: request.method as InjectOptions['method'],
      url: request.url,
      remoteAddress: request.ip,
      headers: { ...headers, ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }) },
      ...(form !== undefined && { payload: form }),
    });
    try {
      const written = request.method === 'HEAD' ? { ...short, body: '' } : short;
      assertSameAnswer(what, written, { status: statusCode, headers: answer.headers, body });
    } catch (difference) {
      differences.push(difference);
      throw difference;
    }
  };

  return {
    answered,
    onShortAnswer,
    /** With the options of the world's own app, on the address that it is reached at. */
    async open(options: AppOptions, publicPort: number): Promise<void> {
      const { config } = options;
      engine = await buildApp({
        ...options,
        config: { ...config, shortWays: false, publicPort: config.publicPort ?? publicPort },
        // The login was recorded when the short way answered.
        onMachineLogin: () => undefined,
      });
    },
    /** @throws the first difference that there was. */
    async close(): Promise<void> {
      await engine?.close();
      if (differences.length) throw differences[0];
    },
  };
}
