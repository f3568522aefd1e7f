/**
 * What a type of connection is, as data, and what it can do, as small capabilities: a strategy has those that it has, and
 * callers ask with `in`. Nobody asks which type it is.
 */
import type { TObject, TString } from 'typebox';
import type { Asker } from '../kernel/secret/hashing-queue.ts';

export type Strategy = {
  /** As stored and on the wire. */
  type: string;
  /** For people who choose one: `OpenID Connect`. */
  title: string;
  /** A picture of views/partials/mark.eta; without one the label's initial is shown. */
  mark?: string;
  /** What a connection of the type is set up with, besides what every connection has. */
  settings: TObject<Record<string, TString>>;
  /** Settings that are sealed at rest. */
  secrets: readonly string[];
  /** The installation may have credentials of its own that a connection without any uses. */
  hasDefaultCredentials?: true;
} & Partial<Capabilities>;

export type Capabilities = PasswordStrategy & TokenStrategy & CodeStrategy;
export type Capability = keyof Capabilities;

/** Who somebody is, as a connection found out; `fresh` is a hash to keep in place of the one that was right. */
export type Found<C> = { credential: C; user: string; fresh?: string };
/** Whose password it is not. */
export type Wrong = { wrong: string };

/** Keeps identifiers and passwords of its own (domain/user/credential.ts), and checks them. */
export type PasswordStrategy = {
  /**
   * @param lookup finds the credential and its hash, or nothing.
   * @param asker who waits for a turn to hash.
   * @returns the credential when the password is right. Takes as much work when there is no such credential, or one whose
   *   hash is cheap to look at.
   * @throws Fault `unavailable` when too many wait to hash.
   */
  checkPassword<C extends { user: string; password_hash?: string }>(
    lookup: () => Promise<C | undefined>,
    password: string,
    asker: Asker,
  ): Promise<Found<C> | Wrong | 'unknown'>;
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

/** Logs in whoever reads the mail of an address, by a code or a link. */
export type CodeStrategy = { sendsCodes: true };
