/** Who may ask about a token (RFC 7662), by whichever way the answer comes. */

type Asking = { clientId: string; clientAuthMethod?: string };

/** §2.1: resource servers authenticate; a public client learns about its own tokens only. */
export const mayIntrospect = (client: Asking, token: { clientId?: string }): boolean =>
  token.clientId === client.clientId || client.clientAuthMethod !== 'none';
