/**
 * A login by a password that a page of the account's own took, on its way to where it becomes a session: a signed statement
 * that is good for a minute, once, with the very request that it was made for, and from where that was made.
 */
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { claimOnce } from '../domain/protocol/protocol-row.ts';
import { credentials, findByIdentifier, passwordChangeOf } from '../domain/user/credential.ts';
import { inSeconds, MINUTE, now, nowSeconds } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { hashToken, mintToken } from '../kernel/secret/random.ts';
import { mac, macs } from '../kernel/secret/seal.ts';
import { authenticate, type PasswordAttempt } from './authenticate.ts';
import { type LoginPolicy, type Outcome, resumeLogin } from './conclude-login.ts';

export const RESULT_SECONDS = MINUTE;
const TYPE = 'login-result+jwt';

/** For as long as a statement is good, and the time that clocks differ by. */
const USED_SECONDS = 2 * RESULT_SECONDS;
const KIND = 'LoginResult';

/**
 * Where it was asked for: by a page of an origin, which no other page can be taken for; else by whoever has a cookie, of
 * which this is the hash. Without either, somebody could be logged in as somebody else by a form of any page.
 */
export type Asking = { origin?: string; browser?: string };

type Statement = Asking & {
  user: string;
  amr: string[];
  auth_time: number;
  client: string;
  connection: string;
  credential: string;
  /** Which password it was: another one since then ends it. */
  changed: string;
  /** Hash of the request that it is for. */
  request: string;
};

const keyOf = (secret: string): Uint8Array => Buffer.from(secret, 'base64url');
const PURPOSE = 'login result';

/** @param request what comes back with the statement, to the letter. @throws as `authenticate`; one answer for absent and wrong. */
export async function stateLogin(
  tenant: Tenant,
  attempt: PasswordAttempt,
  { request, ...asking }: Asking & { request: string },
  policy: LoginPolicy,
): Promise<string> {
  const { connection, identifier, client } = attempt;
  // Before the password is looked at: one that is changed meanwhile is not the one that this is about.
  const credential = await findByIdentifier(tenant, connection.id, identifier);
  const outcome = await authenticate(tenant, attempt, policy).catch((error: unknown) => {
    throw error instanceof Fault && error.code === 'unknown_user' ? new Fault('wrong_credentials') : error;
  });
  if (!credential) throw new Fault('wrong_credentials');
  const { amr, authTime } = 'done' in outcome ? outcome.done : outcome.next;
  const statement: Statement = {
    ...asking,
    user: credential.user,
    amr,
    auth_time: authTime,
    client,
    connection: connection.id,
    credential: credential.id,
    changed: passwordChangeOf(credential),
    request: hashToken(request),
  };
  return new SignJWT(statement as unknown as JWTPayload)
    .setProtectedHeader({ alg: 'HS256', typ: TYPE })
    .setIssuer(tenant.origin)
    .setAudience(tenant.origin)
    .setJti(mintToken(16))
    .setExpirationTime(nowSeconds() + RESULT_SECONDS)
    .sign(keyOf(mac(PURPOSE, tenant.id)));
}

/**
 * Of N who bring one statement one gets the login; `over` to the others, and when its time is over or the password is another.
 * @throws Fault `flow_expired` for what is no statement of this tenant and about this request, `csrf` for one that comes from
 *   elsewhere than it was made for; `user_suspended`.
 */
export async function redeemStatement(
  tenant: Tenant,
  token: string,
  { request, ...asking }: Asking & { request: string },
  policy: LoginPolicy,
): Promise<{ status: 'done'; outcome: Outcome } | { status: 'over' }> {
  const read = await readStatement(tenant, token);
  if (!read || read.statement.request !== hashToken(request)) throw new Fault('flow_expired');
  const { statement, jti, expired } = read;
  const isFromThere = statement.origin ? statement.origin === asking.origin : statement.browser === asking.browser;
  if (!isFromThere || !(statement.origin || statement.browser)) throw new Fault('csrf');
  const isFirst = !expired && (await claimOnce(tenant, { kind: KIND, token: jti }, inSeconds(USED_SECONDS)));
  if (!isFirst) return { status: 'over' };
  const credential = await credentials.find(tenant, statement.credential);
  if (!credential || passwordChangeOf(credential) !== statement.changed) return { status: 'over' };
  const { user, client, connection, amr, auth_time: authTime } = statement;
  const outcome = await resumeLogin(tenant, { user, client, amr, authTime }, policy);
  return 'done' in outcome
    ? { status: 'done', outcome }
    : { status: 'done', outcome: { next: { ...outcome.next, user, connection, method: 'password', amr, authTime } } };
}

async function readStatement(
  tenant: Tenant,
  token: string,
): Promise<{ statement: Statement; jti: string; expired: boolean } | undefined> {
  const { origin } = tenant;
  const said = (payload: JWTPayload, expired: boolean) => ({
    statement: payload as unknown as Statement,
    jti: payload.jti!,
    expired,
  });
  for (const secret of macs(PURPOSE, tenant.id))
    try {
      const expected = { algorithms: ['HS256'], typ: TYPE, issuer: origin, audience: origin, currentDate: now() };
      return said((await jwtVerify(token, keyOf(secret), expected)).payload, false);
    } catch (error) {
      // The signature was looked at first.
      if (error instanceof errors.JWTExpired) return said(error.payload, true);
      if (!(error instanceof errors.JOSEError)) throw error;
    }
  return undefined;
}
