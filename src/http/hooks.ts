/** What happens around every request: its headers, its tenant, its access, its audit row, its line in the log. */
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { append } from '../domain/trail/log.ts';
import { whenGone } from '../kernel/context.ts';
import { asciiAddress } from '../kernel/uri.ts';
import { tellNotYet } from '../resource/not-yet.ts';
import type { AuditEvent } from '../resource/request.ts';
import { enforce, refuseBeyond, type Tokens } from './actor.ts';
import { isAside, tenantOf } from './tenant.ts';

/** Addresses that answer before any tenant is known. */
const HOSTLESS = /^\/(healthz|readyz|version|assets\/[^?]*)(\?|$)/;

type Options = { log: Pick<Logger, 'isLevelEnabled'>; tokens: Tokens };

export function hooks(app: FastifyInstance, config: Config, { log, tokens }: Options): void {
  for (const part of ['tenant', 'actor', 'from', 'audit']) app.decorateRequest(part);

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      ...(config.publicScheme === 'https' && { 'strict-transport-security': 'max-age=31536000; includeSubDomains' }),
    });
    request.from = {
      ip: request.ip,
      userAgent: request.headers['user-agent'] ?? null,
      whenGone: whenGone(request.raw.socket),
    };
    if (HOSTLESS.test(request.url)) return;
    request.tenant = await tenantOf(config, request);
    if (isAside(request)) return reply.redirect(`${request.tenant.origin}${request.url}`, 308);
  });
  app.addHook('preParsing', async (request) => {
    const { access } = request.routeOptions.config;
    if (access) await enforce(config, request, access, tokens);
  });
  app.addHook('preHandler', async (request) => {
    const { access } = request.routeOptions.config;
    if (access) await refuseBeyond(request, access);
    request.audit = ({ tenant = request.tenant, type, subject, fields, refs }: AuditEvent) =>
      append(tenant, {
        type,
        status: 'success',
        ...refs,
        data: {
          actor: request.actor.id,
          actor_kind: request.actor.kind,
          subject,
          ip: request.from.ip,
          ...(fields && { fields }),
        },
      });
  });
  app.addHook('preSerialization', async (request, reply, payload) => {
    const { notYet } = request.routeOptions.config;
    if (notYet && reply.statusCode < 300) tellNotYet(notYet, payload, reply);
    return payload;
  });
  // Of every answer of ours that sends a browser on: a header holds ASCII, and what is registered may be more.
  app.addHook('onSend', (_request, reply, payload, done) => {
    const location = reply.getHeader('location');
    if (typeof location === 'string') reply.header('location', asciiAddress(location));
    done(null, payload);
  });
  app.addHook('onResponse', async (request, reply) => {
    if (reply.statusCode < 500 && !log.isLevelEnabled('debug')) return;
    const { method, routeOptions, ip } = request;
    // The route's pattern, not the address: queries and paths carry tokens.
    const line = {
      method,
      route: routeOptions.url,
      ip,
      account: request.tenant?.id,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    };
    if (reply.statusCode >= 500) request.log.warn(line, 'request');
    else request.log.debug(line, 'request');
  });
}
