/** The command that sends one mail by the transport that the settings name, to see that it works. */
import { readConfig } from './config.ts';
import { mailTransport } from './delivery/mail/index.ts';
import { mintToken } from './kernel/secret/random.ts';
import { fail, settingsBy, trySending } from './trying.ts';

const [to] = process.argv.slice(2);
if (!to?.includes('@')) fail('Say whom to write to: npm run mail -- you@example.com');

const { mail } = settingsBy(() => readConfig(process.env));
if (!mail || mail.by === 'development')
  fail('No mail transport is set up: set SMTP_URL or POSTMARK_TOKEN, and MAIL_FROM.');

const words = `Mails of Cardea arrive. This one was sent by ${mail.by === 'smtp' ? 'SMTP' : 'Postmark'}, from ${mail.from}.`;
const message = {
  id: `test_${mintToken(12)}`,
  from: { name: 'Cardea', address: mail.from },
  to,
  subject: 'A test mail of Cardea',
  html: `<p>${words}</p>`,
  text: `${words}\n`,
  template: 'test',
};
const transport = mailTransport(mail);
await trySending(
  () => transport.send({} as never, message),
  `Sent to ${to}. Look into the inbox, and into the folder for spam.`,
);
await transport.close?.();
