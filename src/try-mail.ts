/** The command that sends one mail by the transport that the settings name, to see that it works. */
import { ConfigError, readConfig } from './config.ts';
import { reasonOf } from './delivery/channel.ts';
import { mailTransport } from './delivery/mail/index.ts';
import { mintToken } from './kernel/secret/random.ts';

const [to] = process.argv.slice(2);
if (!to?.includes('@')) fail('Say whom to write to: npm run mail -- you@example.com');

const mail = settings();
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
  const said = cause ? ` (${cause.message.trim()})` : '';
  fail(`Not sent: ${reasonOf(error)?.reason ?? 'it failed'}${said}.`);
} finally {
  await transport.close?.();
}

function settings() {
  try {
    return readConfig(process.env).mail;
  } catch (error) {
    if (error instanceof ConfigError) fail(`Not sent:\n${error.faults.map((fault) => `  - ${fault}`).join('\n')}`);
    throw error;
  }
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
