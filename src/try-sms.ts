/** The command that sends one text message by the transport that the settings name, to see that it works. */
import { ConfigError, readConfig } from './config.ts';
import { reasonOf } from './delivery/channel.ts';
import { smsTransport } from './delivery/sms/index.ts';
import { mintToken } from './kernel/secret/random.ts';
import { dialledNumber } from './kernel/text/phone.ts';

const to = dialledNumber.typed(process.argv[2] ?? '');
if (!to) fail('Say whom to write to, with the country: npm run sms -- +34600123456');

const sms = settings();
if (!sms || sms.by === 'development')
  fail('No SMS transport is set up: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and SMS_FROM.');

const text = 'Text messages of Cardea arrive.';
try {
  await smsTransport(sms).send({} as never, { id: `test_${mintToken(12)}`, to, text, template: 'test' });
  process.stdout.write(`Sent to ${to}. Look at the phone, and into the logs of Twilio.\n`);
} catch (error) {
  const { cause } = error as { cause?: Error };
  const said = cause ? ` (${cause.message.trim()})` : '';
  fail(`Not sent: ${reasonOf(error)?.reason ?? 'it failed'}${said}.`);
}

function settings() {
  try {
    return readConfig(process.env).sms;
  } catch (error) {
    if (error instanceof ConfigError) fail(`Not sent:\n${error.faults.map((fault) => `  - ${fault}`).join('\n')}`);
    throw error;
  }
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
