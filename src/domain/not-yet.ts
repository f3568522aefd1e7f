/** What is not there yet and no resource's own: the rest of the README's table is in the specs (`notYet`). */

/** Said of an account and of a connection. */
export const SYNC_NOT_YET = 'email_oauth_sync_policy is kept; nobody logs in through a provider yet.';

export const NOT_THERE_YET = [
  { what: 'Codes by text message', says: 'No journey sends one; a provider for them can be set up and tried.' },
  { what: 'Second factors and passkeys', says: 'There are none.' },
  { what: 'An admin console', says: 'There is none; the management API does all of it.' },
] as const;
