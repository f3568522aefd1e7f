/** Sends one mail by the transport that the settings name, to see that it works: `npm run mail -- you@example.com`. */
import { readConfig } from '../src/config.ts';
import { reasonOf } from '../src/delivery/channel.ts';
import { mailTransport } from '../src/delivery/mail/index.ts';
import { mintToken } from '../src/kernel/secret/random.ts';

const [to] = process.argv.slice(2);
const { mail } = readConfig(process.env);
if (!to?.includes('@')) fail('Say whom to write to: npm run mail -- you@example.com');
if (!mail || mail.by === 'development')
  fail('No mail transport is set up: set SMTP_URL or POSTMARK_TOKEN, and MAIL_FROM.');

const words = `Mails of Cardea arrive. This one was sent by ${mail.by === 'smtp' ? 'SMTP' : 'Postmark'}, from ${mail.from}.`;
const transport = mailTransport(mail);
try {
  await transport.send({} as never, {
    id: `test_${mintToken(12)}`,
    from: { name: 'Cardea', address: mail.from },
    to,
    subject: 'A test mail of Cardea',
    html: `<p>${words}</p>`,
    text: `${words}\n`,
    template: 'test',
  });
  process.stdout.write(`Sent to ${to}. Look into the inbox, and into the folder for spam.\n`);
} catch (error) {
  const { cause } = error as { cause?: Error };
  fail(`Not sent: ${reasonOf(error)?.reason ?? 'it failed'}${cause ? ` (${cause.message})` : ''}.`);
} finally {
  await transport.close?.();
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
