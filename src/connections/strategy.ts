/** What a connection can do, as small capabilities; a strategy has those that it has, and callers ask with `in`. */

/** Who somebody is, as a connection found out. */
export type Found<C> = { credential: C; user: string };

/** Checks an identifier and a password. */
export type PasswordStrategy = {
  /**
   * @param lookup finds the credential and its hash, or nothing.
   * @returns the credential when the password is right. Takes as long when there is no such credential.
   */
  checkPassword<C extends { user: string; password_hash?: string }>(
    lookup: () => Promise<C | undefined>,
    password: string,
  ): Promise<Found<C> | 'unknown' | 'wrong'>;
};

export type Strategy = Partial<PasswordStrategy>;
