/** Text messages by Twilio's API, or what speaks as it does: https://www.twilio.com/docs/messaging/api/message-resource. */
import { refusal } from '../channel.ts';
import type { SmsTransport } from './transport.ts';

export type Twilio = {
  url: string;
  /** Of the account that pays: `AC…`. */
  account: string;
  /** Of the account, or of an API key (`SK…`), which can be taken back by itself. */
  user: string;
  password: string;
  /** A number or a name that the message comes from; or a messaging service, `MG…`, which chooses one. */
  from: string;
};

/** Far below the lease of a message. */
const TIMEOUT_MS = 15_000;

/**
 * Of Twilio's codes (https://www.twilio.com/docs/api/errors): what is wrong with the number, so that no later attempt ends
 * otherwise. All others are the operator's to mend (a sender that is not theirs, a country that is not turned on, an account
 * without money), and then the messages that wait go out.
 */
const BAD_NUMBER: Readonly<Record<number, string>> = {
  21211: 'there is no such number',
  21214: 'the number cannot be reached',
  21217: 'there is no such number',
  21610: 'the owner of the number wants no messages',
  21614: 'the number takes no text messages',
  60200: 'there is no such number',
};
const BAD_MESSAGE = new Set([21602, 21617]);

export function twilio({ url, account, user, password, from }: Twilio): SmsTransport {
  const address = `${url.replace(/\/+$/, '')}/2010-04-01/Accounts/${encodeURIComponent(account)}/Messages.json`;
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const sender: Record<string, string> = /^MG[0-9a-f]{32}$/i.test(from)
    ? { MessagingServiceSid: from }
    : { From: from };
  return {
    async send(_tenant, { to, text }) {
      const answer = await fetch(address, {
        method: 'POST',
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: { accept: 'application/json', authorization },
        body: new URLSearchParams({ To: to, Body: text, ...sender }),
      }).catch((cause: unknown) => {
        throw refusal('no connection to Twilio', { cause });
      });
      const { status } = answer;
      const said = (await answer.json().catch(() => ({}))) as { code?: unknown; sid?: unknown };
      if (status === 201 && typeof said.sid === 'string') return;
      const code = typeof said.code === 'number' ? said.code : 0;
      const cause = new Error(`Twilio answered ${status}, code ${code}`);
      if (BAD_NUMBER[code]) throw refusal(`${BAD_NUMBER[code]} (${code})`, { cause, final: true });
      if (BAD_MESSAGE.has(code)) throw refusal(`Twilio refused the message (${code})`, { cause, final: true });
      if (status === 401 || status === 403) throw refusal('Twilio refused the account or its secret', { cause });
      if (status === 429 || status >= 500) throw refusal(`Twilio asks to try later (${status})`, { cause });
      throw refusal(`Twilio refused the message (${code || status})`, { cause });
    },
  };
}
