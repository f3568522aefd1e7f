/** The channel of mails: composes each in the words and the look of its tenant, and hands it to the transport. */
import { composeMail, type MailText, mailLocale, type Occasion } from '../../domain/mail/compose.ts';
import { sourceFor } from '../../domain/mail/override.ts';
import { MAILS, type MailKind } from '../../domain/message/index.ts';
import { append } from '../../domain/trail/log.ts';
import { markEmailBounced, type User, users } from '../../domain/user/user.ts';
import { userOfEmail } from '../../domain/user/user-of-email.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Channel } from '../channel.ts';
import { isBounce, type MailTransport } from '../mail/transport.ts';

export type MailParts = { transport: MailTransport; from: string };

const kindOf = new Map<string, MailKind>(MAILS.map((kind) => [kind.type, kind as MailKind]));
const templateOf = (type: string): string => kindOf.get(type)!.template;

export function mail({ transport, from }: MailParts): Channel<'mail'> {
  return {
    name: 'mail',

    async send(tenant, { id, type, to, data }) {
      if ((await kindOf.get(type)!.wanted?.(tenant, to, data)) === false) return 'skipped';
      const user = await addressee(tenant, to, data.user);
      if (user?.email === to && user.email_bounced_at) return 'skipped';
      const occasion = { template: templateOf(type), to, data, userLocale: user?.locale };
      const { subject, html, text, template } = await composed(tenant, occasion);
      const sender = { name: tenant.account.name, address: from };
      try {
        await transport.send(tenant, { id, from: sender, to, subject, html, text, template });
      } catch (error) {
        if (isBounce(error)) await markEmailBounced(tenant, to);
        throw error;
      }
      return 'sent';
    },

    audit: ({ type, data }) => ({ type: `email.${templateOf(type)}`, ...(data.user && { user: data.user }) }),
  };
}

const addressee = (tenant: Tenant, to: string, id: string | undefined): Promise<User | undefined> =>
  id ? users.find(tenant, id) : userOfEmail(tenant, to);

/** In the tenant's own words where it has some; a template of theirs that fails is told, and ours goes in its place. */
async function composed(tenant: Tenant, occasion: Occasion): Promise<MailText> {
  const locale = mailLocale(tenant, occasion);
  const source = await sourceFor(tenant, occasion.template, locale);
  if (!source) return composeMail(tenant, occasion);
  try {
    return await composeMail(tenant, occasion, source);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const data = { template: occasion.template, locale, error: error.message };
    await append(tenant, { type: 'email.template_failed', status: 'failed', data });
    return composeMail(tenant, occasion);
  }
}
