/** A browser without a browser: a cookie jar that follows redirects as far as our own pages go, and posts their forms. */
import assert from 'node:assert/strict';

export type Agent = ReturnType<typeof agent>;
export type Page = Awaited<ReturnType<Agent>>;

export function agent() {
  const jars = new Map<string, Map<string, { value: string; path: string }>>();
  return async function visit(url: string, init: RequestInit & { form?: Record<string, string> } = {}) {
    const { form, ...rest } = init;
    const target = new URL(url);
    const jar = jars.get(target.host) ?? new Map();
    jars.set(target.host, jar);
    const headers = new Headers(rest.headers);
    headers.set('accept', headers.get('accept') ?? 'text/html');
    const cookies = [...jar]
      .filter(([, { path }]) => target.pathname.startsWith(path))
      .map(([name, { value }]) => `${name.split(' ')[0]}=${value}`);
    if (cookies.length) headers.set('cookie', cookies.join('; '));
    const response = await fetch(url, {
      redirect: 'manual',
      ...rest,
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
      headers,
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/;\s*/);
      const [name, value = ''] = pair!.split(/=(.*)/s) as [string, string];
      const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? '/';
      if (value === '' || attributes.some((attribute) => /^expires=.*1970/i.test(attribute)))
        jar.delete(`${name} ${path}`);
      else jar.set(`${name} ${path}`, { value, path });
    }
    const text = await response.text();
    const location = response.headers.get('location');
    return {
      status: response.status,
      headers: response.headers,
      text,
      url,
      location: location ? new URL(location, url).href : null,
    };
  };
}

/** Where test clients are sent back to; nothing listens there, browsers are stopped at the door. */
export const REDIRECT = 'http://127.0.0.1:9/callback';

/** Follows redirects until a page is shown or an address is reached that begins with `stop`. */
export async function follow(visit: Agent, start: Page, stop = REDIRECT): Promise<Page> {
  let at = start;
  for (let hop = 0; at.location && !at.location.startsWith(stop) && hop < 10; hop += 1) at = await visit(at.location);
  return at;
}

const ENTITIES: Record<string, string> = { '#x2F': '/', '#39': "'", quot: '"', lt: '<', gt: '>', amp: '&' };
const decodeEntities = (text: string): string =>
  text.replace(/&(#x2F|#39|quot|lt|gt|amp);/g, (_, name) => ENTITIES[name]!);

/** The value of a field of a page's form; empty where there is none. */
export const fieldOf = (page: { text: string }, name: string): string =>
  decodeEntities(new RegExp(`name="${name}"[^>]*value="([^"]*)"`).exec(page.text)?.[1] ?? '');

/** The first form of one of our pages, ready to be posted. */
export function formOf(page: { text: string; url: string }): { action: string; csrf: string } {
  const action = /<form[^>]*action="([^"]*)"/.exec(page.text)?.[1];
  assert(action, `no form on ${page.url}: ${page.text.slice(0, 300)}`);
  return { action: new URL(decodeEntities(action), page.url).href, csrf: fieldOf(page, 'csrf') };
}

/** Posts the first form of one of our pages as a browser does, and answers what comes of it, which may be a redirect. */
export function submit(
  visit: Agent,
  page: { text: string; url: string },
  fields: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Page> {
  const { action, csrf } = formOf(page);
  return visit(action, { form: { csrf, ...fields }, headers: { origin: new URL(action).origin, ...headers } });
}

/** What a page says, without its markup. */
export const wordsOf = (page: { text: string }): string => page.text.replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' ');
