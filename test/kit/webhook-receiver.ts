/**
 * A webhook of somebody's: a web server that checks what it is sent as the guide says, and keeps it. Whatever is not
 * exactly as promised fails its test.
 */
import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { epochSeconds } from './clock.ts';
import type { Json } from './http.ts';
import { listen } from './server.ts';

export type Delivery = { id: string; type: string; produced_at: string; payload: Json; delivery: string };

/** Answers 200 unless `state.answer` says otherwise. */
export async function webhookReceiver(secret = 'whsec-of-the-tests') {
  const state = {
    deliveries: [] as Delivery[],
    raw: [] as { body: string; headers: IncomingMessage['headers'] }[],
    wrong: [] as unknown[],
    secret,
    answer: (response: ServerResponse): void => void response.end(),
  };
  const { origin, serve } = await listen();
  serve(async (request, response) => {
    const body = await text(request);
    state.raw.push({ body, headers: request.headers });
    try {
      state.deliveries.push(checked(request, body, state.secret));
    } catch (error) {
      state.wrong.push(error);
    }
    state.answer(response);
  });
  return {
    url: `${origin}/hooks?of=cardea`,
    secret,
    state,
    /** What came so far, all of it as it should be. */
    received(type?: string): Delivery[] {
      assert.deepEqual(state.wrong, []);
      return state.deliveries.filter((one) => type === undefined || one.type === type);
    },
  };
}

function checked({ method, headers }: IncomingMessage, body: string, secret: string): Delivery {
  assert.equal(method, 'POST');
  assert.equal(headers['content-type'], 'application/json');
  const sent = Object.keys(headers).filter((name) => name.startsWith('x-'));
  assert.deepEqual(sent.sort(), ['x-cardea-delivery', 'x-cardea-event', 'x-cardea-signature', 'x-cardea-timestamp']);
  const timestamp = headers['x-cardea-timestamp'] as string;
  assert.match(timestamp, /^\d{10}$/);
  assert.ok(Math.abs(Number(timestamp) - epochSeconds()) < 60);
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`);
  const signature = Buffer.from(headers['x-cardea-signature'] as string);
  assert.ok(signature.length === expected.length && timingSafeEqual(signature, expected), 'the signature is wrong');
  const event = JSON.parse(body);
  assert.deepEqual(Object.keys(event), ['id', 'type', 'produced_at', 'payload']);
  assert.equal(headers['x-cardea-event'], event.type);
  assert.match(event.id, /^event_[0-9a-f]{24}$/);
  assert.match(event.produced_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  return { ...event, delivery: headers['x-cardea-delivery'] };
}
