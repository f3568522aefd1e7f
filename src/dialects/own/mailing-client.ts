/** The client on whose word a mail is sent to somebody: one that is there, and that the tenant knows. */
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Browser } from '../../oidc/browser/browser.ts';

type MailingClient = NonNullable<Awaited<ReturnType<Browser['client']>>>;

/** @throws Fault `invalid_request` for a client that is unknown, or that registered itself and nobody verified. */
export async function mailingClient(browser: Browser, tenant: Tenant, id: string): Promise<MailingClient> {
  const client = await browser.client(tenant, id);
  if (!client) throw new Fault('invalid_request', '"client_id" is unknown.');
  if (!client.mayMail)
    throw new Fault('invalid_request', 'The client may have mail sent once an administrator has verified it.');
  return client;
}
