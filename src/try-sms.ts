/** The command that sends one text message by the transport that the settings name, to see that it works. */
import { readConfig } from './config.ts';
import { smsTransport } from './delivery/sms/index.ts';
import { mintToken } from './kernel/secret/random.ts';
import { dialledNumber } from './kernel/text/phone.ts';
import { fail, settingsBy, trySending } from './trying.ts';

const to = dialledNumber.typed(process.argv[2] ?? '');
if (!to) fail('Say whom to write to, with the country: npm run sms -- +34600123456');

const { sms } = settingsBy(() => readConfig(process.env));
if (!sms || sms.by === 'development')
  fail('No SMS transport is set up: set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and SMS_FROM.');

const message = { id: `test_${mintToken(12)}`, to, text: 'Text messages of Cardea arrive.', template: 'test' };
await trySending(
  () => smsTransport(sms).send({} as never, message),
  `Sent to ${to}. Look at the phone, and into the logs of Twilio.`,
);
