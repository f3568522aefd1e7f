/**
 * Authorization responses that are pages of ours: `form_post` (OAuth 2.0 Form Post Response Mode) and `web_message` (a
 * draft that browser SDKs renew tokens by, in an iframe or a popup), plain and as JWTs (JARM). Owns whom such a page speaks
 * to and who may frame it; what it looks like is decided where the pages are.
 */
import { type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { isGuest, rememberApp } from '../browser/guests.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { destinationOf } from '../request/consent.ts';
import { requestOf } from '../wire/hand-over.ts';

export type PageResponse = {
  /** `ask` is in place of a redirect, and `ask_form` of a form: a guest's, which a person has to want. */
  mode: 'form_post' | 'web_message' | 'ask' | 'ask_form';
  appName?: string;
  /** `ui_locales` of the request. */
  languages?: unknown;
  redirectUri: string;
  /** Where it leads, as people are told of it. */
  destination?: string;
  /** The authorization response; every value goes out to the letter. Of `ask` all of it is in the address. */
  values: Record<string, string>;
  /** Origins that may have the page in a frame. */
  ancestors: readonly string[];
};

export type RenderResponse = (ctx: KoaContextWithOIDC, response: PageResponse) => void;

type Handler = (
  this: Provider,
  ctx: KoaContextWithOIDC,
  redirectUri: string,
  response: Record<string, unknown>,
) => unknown;

const originOf = (address: string): string | undefined => {
  const url = URL.parse(address);
  return url && /^https?:$/.test(url.protocol) ? url.origin : undefined;
};

/** A native app's own scheme takes neither a form nor a message, so it is redirected to. */
function redirect(ctx: KoaContextWithOIDC, redirectUri: string, values: Record<string, string>): void {
  const url = new URL(redirectUri);
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value);
  ctx.status = 303;
  ctx.redirect(url.href);
}

/**
 * The message goes to the redirect's origin and to no other, so a frame of another origin would learn nothing. Those of
 * the client's `web_origins` may be further out: an app inside a page of the same makers.
 */
function ancestorsOf(ctx: KoaContextWithOIDC, redirectUri: string): string[] {
  const { web_origins: origins = [] } = (ctx.oidc.client ?? {}) as ClientExtras;
  return [...new Set([redirectUri, ...origins].flatMap((address) => originOf(address) ?? []))];
}

const aboutRequest = ({ oidc }: KoaContextWithOIDC) => ({
  appName: oidc.client?.clientName,
  languages: oidc.params?.ui_locales,
  destination: destinationOf(oidc.params?.redirect_uri),
});

/** Answers that are a guest's, and nobody's act. */
const asking = new WeakSet<KoaContextWithOIDC>();

/**
 * A redirect without a login is an open one where anybody may register: it becomes a page that asks. What comes of a page
 * of ours is a person's act, and a message goes to no window but the app's own.
 */
const guarded = (handler: Handler, render: RenderResponse): Handler =>
  async function (this: Provider, ctx, redirectUri, response) {
    const { client, entities } = ctx.oidc;
    if (response.code !== undefined) rememberApp(ctx);
    const isNobodysAct = response.error !== undefined && entities.Interaction === undefined;
    if (!isNobodysAct || !client || !isGuest(requestOf(ctx.req), client))
      return handler.call(this, ctx, redirectUri, response);
    asking.add(ctx);
    await handler.call(this, ctx, redirectUri, response);
    const address = ctx.response.get('location');
    if (!address) return;
    ctx.remove('location');
    render(ctx, { ...aboutRequest(ctx), mode: 'ask', redirectUri: address, values: {}, ancestors: [] });
  };

const answerAs =
  (mode: PageResponse['mode'], render: RenderResponse): Handler =>
  (ctx, redirectUri, response) => {
    const values = Object.fromEntries(Object.entries(response).map(([name, value]) => [name, String(value)]));
    if (!originOf(redirectUri)) return redirect(ctx, redirectUri, values);
    render(ctx, {
      ...aboutRequest(ctx),
      mode: mode === 'form_post' && asking.has(ctx) ? 'ask_form' : mode,
      redirectUri,
      values,
      ancestors: mode === 'web_message' ? ancestorsOf(ctx, redirectUri) : [],
    });
  };

/** JARM §2: the answer as a JWT by the issuer for the client, in `response` alone. Errors are answered alike. */
const signed =
  (answer: Handler): Handler =>
  async (ctx, redirectUri, response) => {
    const token = new ctx.oidc.provider.IdToken({}, { ctx });
    for (const [name, value] of Object.entries(response)) token.set(name, value);
    return answer.call(ctx.oidc.provider, ctx, redirectUri, { response: await token.issue({ use: 'authorization' }) });
  };

/** The engine, with pages of ours in place of its own, which speak English only and carry no policy. */
export const withResponsePages = (render: RenderResponse): typeof Provider => {
  const form = answerAs('form_post', render);
  const message = answerAs('web_message', render);
  const pages: Record<string, Handler> = {
    form_post: form,
    web_message: message,
    'form_post.jwt': signed(form),
    'web_message.jwt': signed(message),
  };
  // Called by the engine's constructor, which keeps the first handler of a name.
  return class extends Provider {
    override registerResponseMode(name: string, handler: Handler): void {
      super.registerResponseMode(name, guarded(pages[name] ?? handler, render) as never);
    }
  };
};
