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

/** Checks a token that the connection's other side issued (RFC 8693 §2.1). */
export type TokenStrategy = {
  /**
   * @returns the claims, or `refused` for a wrong signature, audience or time.
   * @throws Fault `upstream_failed` when the issuer's keys cannot be had.
   */
  verifyToken(
    issuer: { id: string; issuer: string; jwksUrl: string; audience: string },
    token: string,
    options: { production: boolean },
  ): Promise<Record<string, unknown> | 'refused'>;
};

export type Strategy = Partial<PasswordStrategy & TokenStrategy>;
