/**
 * What a type of connection is, as data, and what it can do, as small capabilities: a strategy has those that it has, and
 * callers ask with `in`. Nobody asks which type it is.
 */
import type { TObject, TString } from 'typebox';
import type { PasswordAlgorithm } from '../kernel/secret/password.ts';

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

/** Who somebody is, as a connection found out. */
export type Found<C> = { credential: C; user: string };

/** Keeps identifiers and passwords of its own (domain/user/credential.ts), and checks them. */
export type PasswordStrategy = {
  /**
   * @param lookup finds the credential and its hash, or nothing.
   * @param algorithm by which passwords are hashed here.
   * @returns the credential when the password is right. Takes as long when there is no such credential, or one whose hash is
   *   cheap to look at.
   */
  checkPassword<C extends { user: string; password_hash?: string }>(
    lookup: () => Promise<C | undefined>,
    password: string,
    algorithm: PasswordAlgorithm,
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

/** Logs in whoever reads the mail of an address, by a code or a link. */
export type CodeStrategy = { sendsCodes: true };
