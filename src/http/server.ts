/** The server itself: its limits, what it takes for a request, and how it answers what goes wrong. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import cookie from '@fastify/cookie';
import Fastify, { type FastifyInstance, LogController, type RouteOptions } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { believeCookies, hostCookies } from '../kernel/cookies.ts';
import { wantsPage } from '../kernel/reader.ts';
import { answerFault, type RenderFault } from './errors/answer.ts';
import { answerMalformed, answerUnasked } from './malformed.ts';
import { refusals } from './methods.ts';
import { compilersFactory, parsing } from './parsing.ts';
import { checkTarget, originForm } from './target.ts';

type Options = {
  log: Logger;
  renderFault: RenderFault;
  onRoute?: (route: RouteOptions) => void;
};

/**
 * Where one address is a page for people and a call for programs: a route with `constraints: { reader: 'person' }` answers
 * what a browser is sent to open, and the one without answers the rest.
 */
const reader = {
  name: 'reader',
  mustMatchWhenDerived: false,
  storage() {
    // Of routes, which are the framework's business.
    const held = new Map<string, never>();
    return {
      get: (key: string) => held.get(key) ?? null,
      set(key: string, route: never) {
        held.set(key, route);
      },
    };
  },
  deriveConstraint: (request: IncomingMessage) =>
    request.headers.authorization === undefined && wantsPage(request) ? 'person' : 'program',
} as const;

/** Hops are counted from our side: the framework takes a number for nobody, and a function for what it says. */
const trustOf = (setting: Config['trustProxy']) =>
  typeof setting === 'number' ? (_address: string, hop: number) => hop < setting : setting;

/**
 * Browsers open connections ahead of what they are going to ask. The framework closes those that have asked something and
 * wait; one that never did would hold up the end of the process until it is given up, which takes a minute.
 */
function closeUnused(app: FastifyInstance): void {
  const unused = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }) => unused.delete(socket));
  app.addHook('preClose', async () => {
    for (const socket of unused) socket.destroy();
  });
}

export async function server(config: Config, { log, renderFault, onRoute }: Options): Promise<FastifyInstance> {
  const answer = answerFault(renderFault);
  const onMalformed = answerMalformed(answer, log);
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: trustOf(config.trustProxy) as never,
    bodyLimit: 1_048_576,
    genReqId: () => randomUUID(),
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    rewriteUrl: originForm as never,
    routerOptions: { maxParamLength: 300, constraints: { reader } },
    // Slow senders do not hold connections.
    requestTimeout: 30_000,
    frameworkErrors: answer as never,
    clientErrorHandler: onMalformed as never,
    // One without a host is refused as one with a wrong host is.
    http: { requireHostHeader: false },
    schemaController: { compilersFactory: compilersFactory as never },
  }) as unknown as FastifyInstance;
  app.addHook('onRequest', async ({ raw }) => checkTarget(raw));
  answerUnasked(app.server, onMalformed);
  closeUnused(app);
  if (onRoute) app.addHook('onRoute', onRoute);
  app.setErrorHandler(answer);
  const refusal = refusals(app);
  app.setNotFoundHandler((request, reply) => answer(refusal(request, reply), request, reply));
  parsing(app);
  const secure = config.publicScheme === 'https';
  app.addHook('onRequest', async ({ raw }) => believeCookies(raw, secure));
  await app.register(cookie);
  // After the plugin has written its own; the engine's answers go by themselves.
  if (secure)
    app.addHook('onSend', async ({ raw }, reply) => {
      const set = reply.getHeader('set-cookie');
      if (set === undefined) return;
      reply.removeHeader('set-cookie').header('set-cookie', hostCookies(raw, [set].flat().map(String)));
    });
  return app;
}
