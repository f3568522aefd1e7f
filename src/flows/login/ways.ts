/**
 * The ways in that the login of a flow offers: connections that its app may use and that pages know how to run, in the
 * tenant's order; and which of them a browser used last.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Connection, connectionsFor, maySignUp } from '../../domain/connection/connection.ts';
import { DAY } from '../../kernel/clock.ts';
import type { Flow } from '../../oidc/browser/interactions.ts';

export type Ways = {
  password?: Connection;
  /** Codes and links by mail. Of an app that the tenant knows: no stranger has mail sent. */
  mail?: Connection;
  /** Whether the tenant put mail before passwords, or has no passwords. */
  mailFirst: boolean;
};

const COOKIE = 'cardea_way';
const REMEMBERED_SECONDS = 365 * DAY;

/** Whichever the app asked for, else all. Other types of connections no page can run yet, so none shows. */
export async function waysOf({ tenant }: FastifyRequest, { client, params }: Flow): Promise<Ways> {
  const wanted = params.connection_id ?? params.connection;
  const place = ({ position = 0 }: Connection) => position;
  const offering = async (capability?: 'checkPassword' | 'sendsCodes') =>
    (await connectionsFor(tenant, client.id, capability))
      .filter(({ id, connection_name }) => !wanted || id === wanted || connection_name === wanted)
      .sort((a, b) => place(a) - place(b));
  const [password] = await offering('checkPassword');
  const [mail] = client.unverified ? [] : await offering('sendsCodes');
  const inOrder = (await offering()).map(({ id }) => id);
  const mailFirst = mail !== undefined && (!password || inOrder.indexOf(mail.id) < inOrder.indexOf(password.id));
  return { password, mail, mailFirst };
}

/** Whose passwords somebody new may choose one of; nothing where nobody may sign up. */
export async function signUpConnection(request: FastifyRequest, flow: Flow): Promise<Connection | undefined> {
  const { password } = await waysOf(request, flow);
  return password && maySignUp(request.tenant, password) ? password : undefined;
}

/** Whether this browser came in by it last time. */
export const isLastUsed = ({ cookies }: FastifyRequest, { id }: Connection): boolean => cookies[COOKIE] === id;

/** A cookie that names the connection, and nobody. */
export function rememberWay({ tenant }: FastifyRequest, reply: FastifyReply, { id }: Connection): void {
  const secure = tenant.origin.startsWith('https:');
  reply.setCookie(COOKIE, id, { path: '/', httpOnly: true, sameSite: 'lax', secure, maxAge: REMEMBERED_SECONDS });
}
