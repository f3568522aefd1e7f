/** Places in a list, bound to it: another list's or tenant's is refused, and is not silently a place in this one. */
import { Fault } from '../kernel/fault.ts';
import { isId } from '../kernel/id.ts';
import { isMac, mac } from '../kernel/secret/seal.ts';
import type { ResourceSpec } from './define.ts';
import { ownerOf, type Scope } from './scope.ts';

type Listed = Pick<ResourceSpec, 'collection' | 'scope'>;

const PROOF_LETTERS = 16;
const place = (spec: Listed, scope: Scope, id: string): string => `${spec.collection} ${ownerOf(spec, scope)} ${id}`;

/** @param id of the last row of the page. */
export const cursorAt = (spec: Listed, scope: Scope, id: string): string =>
  Buffer.from(`${id}.${mac('cursor', place(spec, scope, id)).slice(0, PROOF_LETTERS)}`).toString('base64url');

/** @throws Fault `invalid_cursor` */
export function readCursor(spec: Listed, kind: string, scope: Scope, cursor: string): string {
  const [id = '', shown = ''] = Buffer.from(cursor, 'base64url').toString().split('.');
  if (!isId(kind, id) || !isMac('cursor', place(spec, scope, id), shown, PROOF_LETTERS))
    throw new Fault('invalid_cursor');
  return id;
}
