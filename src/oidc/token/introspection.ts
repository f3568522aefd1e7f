/** Who may ask about a token (RFC 7662), by whichever way the answer comes. */

type Asking = { clientId: string; clientAuthMethod?: string; unverified?: boolean };

/** §2.1: resource servers authenticate; a public client learns about its own tokens only, and so does a stranger's. */
export const mayIntrospect = (client: Asking, token: { clientId?: string }): boolean =>
  token.clientId === client.clientId || (client.clientAuthMethod !== 'none' && !client.unverified);
