/** Mails by Postmark's API. What comes back later about a mail (a bounce, a complaint) is the webhook's. */
import { refusal } from '../channel.ts';
import { bounce, type MailTransport } from './transport.ts';

export type Postmark = { url: string; token: string; stream: string };

const TIMEOUT_MS = 15_000;
/** Of Postmark's error codes: the address is none, or is one that it does not write to any more. */
const BAD_ADDRESS = new Set([300, 406]);

export function postmark({ url, token, stream }: Postmark): MailTransport {
  return {
    async send(_tenant, { id, from, to, subject, html, text, template }) {
      const answer = await fetch(new URL('/email', url), {
        method: 'POST',
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: { accept: 'application/json', 'content-type': 'application/json', 'x-postmark-server-token': token },
        body: JSON.stringify({
          From: `"${from.name.replace(/["\\]/g, '')}" <${from.address}>`,
          To: to,
          Subject: subject,
          HtmlBody: html,
          TextBody: text,
          MessageStream: stream,
          TrackOpens: false,
          TrackLinks: 'None',
          Tag: template,
          Metadata: { delivery: id },
          Headers: [{ Name: 'Auto-Submitted', Value: 'auto-generated' }],
        }),
      }).catch((cause: unknown) => {
        throw refusal('no connection to Postmark', { cause });
      });
      const { status } = answer;
      const said = (await answer.json().catch(() => ({}))) as { ErrorCode?: number };
      if (status === 200 && (said.ErrorCode ?? 0) === 0) return;
      const cause = new Error(`Postmark answered ${status}, error ${said.ErrorCode}`);
      if (status === 422 && BAD_ADDRESS.has(said.ErrorCode ?? 0))
        throw bounce(`Postmark does not write to this address (${said.ErrorCode})`, cause);
      if (status === 401) throw refusal('Postmark refused the token', { cause });
      if (status === 422) throw refusal(`Postmark refused the mail (${said.ErrorCode})`, { cause, final: true });
      throw refusal(`Postmark asks to try later (${status})`, { cause });
    },
  };
}
