/**
 * The browser that asked for a mailed link, told from a mail scanner that opens what it finds: by a cookie, whose hash is
 * kept with the link. A link that this browser opens acts at once; in any other it shows a button.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { hashToken, mintToken, sameSecret } from '../../kernel/secret/random.ts';

const COOKIE = 'cardea_link';

/** The cookie's value, and what is stored of it. */
export function mintBrowserProof(): { proof: string; browser: string } {
  const proof = mintToken();
  return { proof, browser: hashToken(proof) };
}

/** @param seconds for which the link is good. */
export function markBrowser({ tenant }: FastifyRequest, reply: FastifyReply, proof: string, seconds: number): void {
  const secure = tenant.origin.startsWith('https:');
  // The app's page may be on another site; only https lets it have such a cookie set.
  reply.setCookie(COOKIE, proof, {
    path: '/',
    httpOnly: true,
    secure,
    sameSite: secure ? 'none' : 'lax',
    maxAge: seconds,
  });
}

/** The hash of what the browser has, if anything. */
export function browserShown({ cookies }: FastifyRequest): string | undefined {
  const proof = cookies[COOKIE];
  return proof && hashToken(proof);
}

/** Whether it is the browser that asked for it. */
export function hasAsked(request: FastifyRequest, link: { browser?: string }): boolean {
  const shown = browserShown(request);
  return Boolean(shown && link.browser && sameSecret(shown, link.browser));
}

/** Whether a link may act at once: somebody opens it, in the browser that asked for it. */
export function isAskingBrowser(request: FastifyRequest, link: { browser?: string }): boolean {
  const ahead = /prefetch|prerender/.test(String(request.headers['sec-purpose'] ?? ''));
  return hasAsked(request, link) && request.method === 'GET' && !ahead;
}

export const forgetBrowser = (reply: FastifyReply): FastifyReply => reply.clearCookie(COOKIE, { path: '/' });
