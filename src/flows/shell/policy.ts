/** The headers of a page: what it may load, run, open and send to, and who may have it in a frame. */

export type PagePolicy = {
  /** Where forms may end; default nowhere but at this origin. See `FLOW_PAGE`. */
  formAction?: '*';
  /** True for a page whose script calls this origin. */
  connects?: boolean;
  /** What the page may run besides our own scripts: addresses, of which the origins count. */
  scriptSrc?: readonly string[];
  /** What the page may open in frames: addresses, of which the origins count. */
  frameSrc?: readonly string[];
  /** Origins that may have the page in a frame; default nobody. */
  frameAncestors?: readonly string[];
};

/**
 * The form of a flow's page ends at the app, and Chromium holds form-action against every redirect that follows a post.
 * An app whose callback goes on to another of its origins would be stopped there, so the policy does not say.
 */
export const FLOW_PAGE: PagePolicy = { formAction: '*' };

export function headersOf(
  locale: string,
  nonce: string,
  { formAction, connects, scriptSrc = [], frameSrc = [], frameAncestors = [] }: PagePolicy,
): Record<string, string> {
  const ancestors = frameAncestors.flatMap(frameSource);
  const policy = [
    "default-src 'none'",
    `style-src 'self' 'nonce-${nonce}'`,
    ["script-src 'self'", ...new Set(scriptSrc.flatMap(source))].join(' '),
    "img-src 'self' https: data:",
    ...(connects ? ["connect-src 'self'"] : []),
    ...(frameSrc.length ? [['frame-src', ...new Set(frameSrc.flatMap(source))].join(' ')] : []),
    ...(formAction === '*' ? [] : ["form-action 'self'"]),
    "base-uri 'none'",
    ancestors.length ? `frame-ancestors ${ancestors.join(' ')}` : "frame-ancestors 'none'",
  ];
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-language': locale,
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // It cannot name an origin, and browsers that know frame-ancestors ignore it.
    ...(ancestors.length === 0 && { 'x-frame-options': 'DENY' }),
    // Not no-referrer: browsers would then post with `Origin: null`, which the CSRF check has to refuse.
    'referrer-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  };
}

/**
 * The CSP source for an address: its origin, or its scheme for those without and for IPv6 hosts, which the grammar of
 * sources cannot spell (CSP 3 §2.3.1). Nothing for what does not parse, so no stray `;` reaches the header.
 */
function source(address: string): string[] {
  const url = URL.parse(address);
  if (!url) return [];
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  return [isWeb && !url.hostname.startsWith('[') ? url.origin : url.protocol];
}

/** An origin as CSP spells it; those of IPv6 hosts it cannot, and a whole scheme would be anybody. */
function frameSource(origin: string): string[] {
  const url = URL.parse(origin);
  return url && /^https?:$/.test(url.protocol) && !url.hostname.startsWith('[') ? [url.origin] : [];
}
