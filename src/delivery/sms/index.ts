/** The ways for text messages to leave, and which one the settings ask for. */
import { developmentSms } from './development.ts';
import type { SmsTransport } from './transport.ts';
import { type Twilio, twilio } from './twilio.ts';

type Settings = ({ by: 'twilio' } & Twilio) | { by: 'development' };

export const smsTransport = (settings: Settings): SmsTransport =>
  settings.by === 'twilio' ? twilio(settings) : developmentSms;
