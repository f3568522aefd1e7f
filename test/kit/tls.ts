/** TLS for libraries that insist on it: a certificate of the moment, which the browser is told not to mind, and a proxy. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { request as forward, type RequestListener } from 'node:http';
import { DAY } from '../../src/kernel/clock.ts';

/** ASN.1 in DER: tag, length, content (X.690 §8.1). */
function der(tag: number, ...parts: (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...parts: Buffer[]) => der(0x30, ...parts);
const identifier = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const utcTime = (date: Date) => der(0x17, `${date.toISOString().replace(/\D/g, '').slice(2, 14)}Z`);

/** A certificate that signs itself (RFC 5280 §4.1): node:crypto reads them and makes none. */
export function certificate(): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(identifier('2a8648ce3d040302')); // ecdsa-with-SHA256
  const name = sequence(der(0x31, sequence(identifier('550403'), der(0x0c, 'localhost'))));
  const [before, after] = [-DAY, DAY].map((seconds) => new Date(Date.now() + seconds * 1000)) as [Date, Date];
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3, which browsers want
    der(0x02, Buffer.from([1])),
    algorithm,
    name,
    sequence(utcTime(before), utcTime(after)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const whole = sequence(body, algorithm, der(0x03, Buffer.from([0]), sign('sha256', body, privateKey)));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${whole.toString('base64')}\n-----END CERTIFICATE-----\n`,
  };
}

/** What a proxy in front of the server does: passes the request on, host and all. */
export const proxyTo =
  (port: number): RequestListener =>
  (request, response) => {
    const { method, url, headers } = request;
    const onward = forward({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  };
