/**
 * The development outbox: what would have been mailed or texted, for a person in the browser and, as JSON, for a test.
 * In development only: whoever reads it can log in as anybody.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { keptMessage, keptMessages, type ReadMessage } from '../../domain/mail/development.ts';
import { wantsPage } from '../../kernel/reader.ts';
import { href, queryOf, text } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { messagePage } from './message-page.ts';
import { outboxPage } from './outbox-page.ts';

const HOME = '/dev/outbox';
const PUBLIC = { config: { access: 'public' as const }, schema: { hide: true } };

/** A mail brings its own styles and no scripts; its links open in place of the page around it. */
const MAIL_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

function mount(app: FastifyInstance, { development }: FlowDeps): void {
  if (!development) return;

  app.get(HOME, PUBLIC, async (request, reply) => {
    // A plus that was not escaped reads as a space.
    const to = text(queryOf(request).to)?.replace(/^ (?=\d)/, '+');
    const messages = await keptMessages(request.tenant, to);
    reply.header('cache-control', 'no-store').header('vary', 'accept');
    if (!wantsPage(request)) return { results: messages };
    const common = pageCommon(request);
    return renderPage(reply, outboxPage, {
      ...common,
      ...(to !== undefined && { to }),
      allHref: href(request, HOME),
      homeHref: href(request, '/'),
      messages: messages.map((message) => ({
        href: href(request, `${HOME}/${message.id}`),
        to: message.to,
        subject: message.subject ?? message.text.slice(0, 120),
        about: about(message, common.locale),
      })),
    });
  });

  app.get(`${HOME}/:id`, PUBLIC, async (request, reply) => {
    const message = await found(request);
    reply.header('cache-control', 'no-store').header('vary', 'accept');
    if (!wantsPage(request)) return message;
    const common = pageCommon(request);
    const frame = message.html === null ? undefined : `${HOME}/${message.id}/html`;
    return renderPage(
      reply,
      messagePage,
      {
        ...common,
        ...(message.subject !== null && { subject: message.subject }),
        to: message.to,
        about: about(message, common.locale),
        ...(frame && { frameHref: frame }),
        pieces: pieces(message.text),
        backHref: href(request, HOME),
      },
      { frameSrc: [request.tenant.origin] },
    );
  });

  app.get(`${HOME}/:id/html`, PUBLIC, async (request, reply) => html(reply, await found(request)));
}

const found = (request: FastifyRequest) => keptMessage(request.tenant, (request.params as { id: string }).id);

function html(reply: FastifyReply, message: ReadMessage): FastifyReply {
  const document = (message.html ?? '').replace('<head>', '<head><base target="_top">');
  return reply
    .header('content-security-policy', MAIL_POLICY)
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(document);
}

function about({ template, created_at }: ReadMessage, locale: string): string {
  const time = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'medium' }).format(created_at);
  return `${template} · ${time}`;
}

const pieces = (words: string) =>
  words
    .split(/(https?:\/\/\S+|\n)/)
    .filter(Boolean)
    .map((piece) =>
      piece === '\n' ? { words: '', breaks: true } : { words: piece, ...(/^https?:/.test(piece) && { href: piece }) },
    );

export const outbox: Journey = { pages: [outboxPage, messagePage], mount };
