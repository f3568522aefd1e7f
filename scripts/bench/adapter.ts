/**
 * The thinnest storage that the bare engine can have on the database that Cardea uses: what an adapter costs at least, on
 * this machine, whoever writes it. Rows as the engine gives them, found by their key; indexes for what revocation asks.
 */
import mongoose from 'mongoose';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { pino } from 'pino';
import { openStore, type Store } from '../../src/store/connect.ts';

type Row = { _id: string; payload: AdapterPayload; expires_at?: Date };

export async function openRows(dataDir: string): Promise<Store> {
  const store = await openStore({ dataDir, log: pino({ level: 'warn' }) });
  const rows = mongoose.connection.db!.collection('rows');
  await rows.createIndex({ 'payload.grantId': 1 });
  await rows.createIndex({ 'payload.uid': 1 });
  await rows.createIndex({ expires_at: 1 });
  return store;
}

export function thinAdapter(name: string): Adapter {
  const rows = () => mongoose.connection.db!.collection<Row>('rows');
  const keyOf = (id: string) => `${name} ${id}`;
  return {
    async upsert(id, payload, expiresIn) {
      const expires_at = expiresIn ? new Date(Date.now() + expiresIn * 1000) : undefined;
      await rows().updateOne({ _id: keyOf(id) }, { $set: { payload, expires_at } }, { upsert: true });
    },
    find: async (id) => (await rows().findOne({ _id: keyOf(id) }))?.payload,
    findByUid: async (uid) => (await rows().findOne({ 'payload.uid': uid }))?.payload,
    findByUserCode: async (code) => (await rows().findOne({ 'payload.userCode': code }))?.payload,
    async consume(id) {
      const consumed = Math.floor(Date.now() / 1000);
      await rows().updateOne({ _id: keyOf(id) }, { $set: { 'payload.consumed': consumed } });
    },
    async destroy(id) {
      await rows().deleteOne({ _id: keyOf(id) });
    },
    async revokeByGrantId(grant) {
      await rows().deleteMany({ 'payload.grantId': grant });
    },
  };
}
