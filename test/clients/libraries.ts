/** The client libraries of the suite, and what each has been shown to do: the README's table and the suite's plan at once. */

export const CAPABILITIES = ['login', 'silent renewal', 'refresh', 'userinfo', 'logout'] as const;
export type Capability = (typeof CAPABILITIES)[number];

/**
 * Package → what its file in this folder proves, in this order. What is missing is what the library has no call for; what
 * the server cannot do would be a failing test.
 */
export const LIBRARIES = {
  'openid-client': ['login', 'refresh', 'userinfo', 'logout'],
  oauth4webapi: ['login', 'refresh', 'userinfo'],
  'oidc-client-ts': ['login', 'userinfo', 'silent renewal', 'refresh', 'logout'],
  '@auth0/auth0-spa-js': ['login', 'silent renewal', 'refresh', 'logout'],
  'express-openid-connect': ['login', 'userinfo', 'refresh', 'silent renewal', 'logout'],
  '@auth/core': ['login', 'userinfo'],
  'passport-openidconnect': ['login', 'userinfo'],
  '@modelcontextprotocol/sdk': ['login', 'refresh'],
} as const satisfies Record<string, readonly Capability[]>;
export type Library = keyof typeof LIBRARIES;
