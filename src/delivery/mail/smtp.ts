/**
 * Mails by SMTP (RFC 5321). Where a password is sent, or anywhere beyond this machine, the connection is encrypted and the
 * server's certificate verified; what a server refuses for good is not tried again.
 */
import { createTransport } from 'nodemailer';
import { isLoopbackHost } from '../../kernel/loopback.ts';
import { refusal } from '../channel.ts';
import { bounce, type MailTransport } from './transport.ts';

/** Together far below the lease of a message. */
const TIMEOUTS = { connectionTimeout: 5_000, greetingTimeout: 5_000, socketTimeout: 15_000, dnsTimeout: 5_000 };
const CONNECTIONS = 5;

/** @param address `smtp://user:password@host:587`, or `smtps://` where the connection begins encrypted. */
export function smtp(address: string): MailTransport {
  const url = new URL(address);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const user = decodeURIComponent(url.username);
  const transport = createTransport({
    host,
    port: url.port ? Number(url.port) : url.protocol === 'smtps:' ? 465 : 587,
    secure: url.protocol === 'smtps:',
    requireTLS: user !== '' || !isLoopbackHost(url.hostname),
    ...(user && { auth: { user, pass: decodeURIComponent(url.password) } }),
    pool: true,
    maxConnections: CONNECTIONS,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...TIMEOUTS,
  });
  return {
    async send(_tenant, { id, from, to, subject, html, text }) {
      const domain = from.address.slice(from.address.lastIndexOf('@') + 1);
      try {
        await transport.sendMail({
          from,
          to: { name: '', address: to },
          subject,
          html,
          text,
          messageId: `<${id}@${domain}>`,
          // RFC 3834 §5: nobody's holiday notice is to answer this.
          headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        });
      } catch (error) {
        throw whyNot(error);
      }
    },
    async close() {
      transport.close();
    },
  };
}

type SmtpError = { code?: string; responseCode?: number; response?: string; command?: string };

/** RFC 5321 §4.2.1: 4yz may pass, 5yz will not. RFC 3463 §3.2: x.1.y is about the address. */
function whyNot(error: unknown): Error {
  const { code, responseCode: status, response = '', command = '' } = error as SmtpError;
  // A wrong password is the operator's to mend, and then the mails that wait go out.
  if (code === 'EAUTH') return refusal('the mail server refused the user name or password', { cause: error });
  if (code === 'ETLS') return refusal('the mail server offers no encryption that can be trusted', { cause: error });
  if (status === undefined) return refusal('no connection to the mail server', { cause: error });
  if (status < 500) return refusal(`the mail server asks to try later (${status})`, { cause: error });
  const isMailbox = command.startsWith('RCPT') && /^5\d\d[ -]5\.1\.[1-36]\b/.test(response);
  if (isMailbox) return bounce(`there is no such mailbox (${status})`, error);
  const what = command.startsWith('RCPT') ? 'address' : command.startsWith('MAIL') ? 'sender' : 'mail';
  return refusal(`the mail server refused the ${what} (${status})`, { cause: error, final: true });
}
