/**
 * What a browser remembers of who has logged in with it: in a sealed cookie, of so many users, for so long. The cookie names
 * the browser before anybody logs in, so that of its logins at once one is told of.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { noteNewDevice } from '../../auth/new-device.ts';
import type { User } from '../../domain/user/user.ts';
import { DAY, inSeconds, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { hashToken, mintToken } from '../../kernel/secret/random.ts';
import { seal, unseal } from '../../kernel/secret/seal.ts';

const COOKIE = 'cardea_device';
const USERS = 20;
const REMEMBERED_SECONDS = 365 * DAY;

/** Users by a mark, the latest first. */
type Remembered = { id: string; users: [mark: string, untilSeconds: number][] };

const contextOf = (tenant: Tenant): string => `${tenant.id} device`;
const markOf = ({ id }: User): string => hashToken(id).slice(0, 16);

function rememberedBy({ tenant, cookies }: FastifyRequest): Remembered | undefined {
  try {
    const { id, users } = JSON.parse(unseal(cookies[COOKIE] ?? '', contextOf(tenant))) as Remembered;
    return { id, users: users.filter(([, until]) => until > nowSeconds()) };
  } catch {
    // None, or not from here: a cookie that proves nothing.
    return undefined;
  }
}

function keep({ tenant }: FastifyRequest, reply: FastifyReply, remembered: Remembered): void {
  reply.setCookie(COOKIE, seal(JSON.stringify(remembered), contextOf(tenant)), {
    httpOnly: true,
    // Logins happen on pages of ours, which nobody has in a frame.
    sameSite: 'lax',
    secure: tenant.origin.startsWith('https:'),
    path: '/',
    expires: inSeconds(REMEMBERED_SECONDS),
  });
}

export type BrowserDevice = {
  /** Tells of a login where the browser is not one of the user's. @param known that it is, by their session. */
  loggedIn(user: User, known: boolean): Promise<void>;
};

/** The browser of a request, which has a name from then on. */
export function deviceOf(request: FastifyRequest, reply: FastifyReply): BrowserDevice {
  const before = rememberedBy(request);
  const remembered = before ?? { id: mintToken(12), users: [] };
  if (!before && request.method !== 'HEAD') keep(request, reply, remembered);
  return {
    async loggedIn(user, known) {
      const { tenant, from } = request;
      const mark = markOf(user);
      if (!known && !remembered.users.some(([one]) => one === mark))
        await noteNewDevice(tenant, user, remembered.id, from);
      const others = remembered.users.filter(([one]) => one !== mark);
      const users: Remembered['users'] = [[mark, nowSeconds() + REMEMBERED_SECONDS], ...others.slice(0, USERS - 1)];
      keep(request, reply, { ...remembered, users });
    },
  };
}
