/** From a page and its data to HTML and its headers. What the data says is decided elsewhere. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { FastifyReply } from 'fastify';
import { SURFACES, themeCss } from '../../look/theme.ts';
import { translator } from '../../look/words.ts';
import { assetUrl } from './assets.ts';
import { harmless } from './harmless.ts';
import { firstLetter, iconOf } from './letters.ts';
import type { Page, PageData } from './page.ts';
import { headersOf, type PagePolicy } from './policy.ts';

/** What is known of a page only when it is shown. */
export type PageOptions = PagePolicy & { status?: number };

export type RenderedPage = { status: number; headers: Record<string, string>; body: string };

const views = new Eta({
  views: fileURLToPath(new URL('../../../views', import.meta.url)),
  cache: true,
  rmWhitespace: true,
});

/** A page as plain values, for raw responses and tests. Pure but for the nonce. */
export function render<Data extends PageData>(
  page: Page<Data>,
  data: NoInfer<Data>,
  { status, ...policy }: PageOptions = {},
): RenderedPage {
  const nonce = randomBytes(16).toString('base64');
  return {
    status: status ?? page.status?.(data) ?? 200,
    headers: headersOf(data.locale, nonce, { ...page.policy, ...policy }),
    body: views.render(`pages/${page.name}`, viewOf(page, data, nonce)),
  };
}

/** Sends a page. HEAD, compression and `X-Request-Id` are the server's. */
export function renderPage<Data extends PageData>(
  reply: FastifyReply,
  page: Page<Data>,
  data: NoInfer<Data>,
  options: PageOptions = {},
): FastifyReply {
  const { status, headers, body } = render(page, data, options);
  return reply.code(status).headers(headers).send(body);
}

/** What the templates see: the data made harmless, the words, and the few things that are computed. */
function viewOf<Data extends PageData>(page: Page<Data>, data: Data, nonce: string): object {
  const t = translator(data.locale);
  const safe = harmless(data);
  const { tenant } = safe;
  return {
    ...safe,
    ...page.view?.(safe, t),
    t,
    nonce,
    asset: assetUrl,
    owner: safe.appName || tenant?.name || 'Cardea',
    initial: firstLetter,
    iconHref: iconOf(tenant),
    themeCss: themeCss(tenant?.primaryColor, tenant?.pageColor),
    surfaces: SURFACES,
  };
}
