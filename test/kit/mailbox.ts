/** What would be mailed: the intents of the outbox, opened, oldest first. */
import { accountById } from '../../src/domain/account/account.ts';
import { mintMailedId, storeCode } from '../../src/domain/link/passwordless.ts';
import { smsCode } from '../../src/domain/message/sms-code.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { mintId } from '../../src/kernel/id.ts';
import { add, outbox, release } from '../../src/outbox/outbox.ts';
import { agent, fieldOf, submit } from './agent.ts';

// biome-ignore lint/suspicious/noExplicitAny: messages are inspected field by field
type Message = { type: string; to: string; ref: string; data: any };

export async function mailbox(t: { id: string }, to: string): Promise<Message[]> {
  const rows = await outbox.all(asTenant({ id: t.id } as never, ''), { to: { $eq: to } });
  return rows
    .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime() || (a.id < b.id ? -1 : 1))
    .map((row) => ({ type: row.type, to: row.to, ref: row.ref, data: JSON.parse(outbox.reveal(row, 'data')!) }));
}

/** Texts somebody a code: no journey does so yet. */
export async function textCode(t: { id: string; origin: string }, to: string, user?: string, origin = t.origin) {
  const tenant = asTenant((await accountById(t.id))!, origin);
  const [client, connection] = [mintId('client'), mintId('connection')];
  const id = mintMailedId();
  const data = { code: '482913', expires_in: 300, ...(user && { user }) };
  await storeCode(tenant, id, data.code, { client, connection, email: 'ada@example.com' });
  await release(tenant, [await add(tenant, smsCode, { to, ref: id, data })]);
}

/** The last link that was mailed to an address to be followed; news of a login has one besides. */
export async function lastLink(t: { id: string }, to: string): Promise<string> {
  const last = (await mailbox(t, to)).findLast(({ type, data }) => data.link && type !== 'new_device');
  if (!last) throw new Error(`no link was mailed to ${to}`);
  return last.data.link;
}

/** Opens a link in a browser without a session, which shows the page that asks first, where it does. */
export async function openLink(link: string) {
  const visit = agent();
  return { visit, page: await visit(link) };
}

/** Opens a link, presses the button of its page, and says where that led and with which status in the address. */
export async function followLink(link: string, decision = 'yes') {
  const { visit, page } = await openLink(link);
  const answer = page.status === 200 ? await submit(visit, page, { ticket: fieldOf(page, 'ticket'), decision }) : page;
  const target = new URL(answer.location ?? 'about:blank');
  const status = target.searchParams.get('status');
  target.search = '';
  return { status, target: target.href };
}
