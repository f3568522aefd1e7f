/** Places in a list, bound to it: another list's or tenant's is refused, and is not silently a place in this one. */
import { Fault } from '../kernel/fault.ts';
import { isId } from '../kernel/id.ts';
import { isMac, mac } from '../kernel/secret/seal.ts';
import type { ResourceSpec } from './define.ts';
import { ownerOf, type Scope } from './scope.ts';

type Listed = Pick<ResourceSpec, 'collection' | 'scope'>;

/** The last row of a page: its id, and what the list was sorted by, where that is not the id. */
export type Place = { id: string; by?: string; value?: string | number | null };

const PROOF_LETTERS = 16;
const provenPlace = (spec: Listed, scope: Scope, place: string): string =>
  `${spec.collection} ${ownerOf(spec, scope)} ${place}`;
const textOf = ({ id, by, value }: Place): string =>
  by === undefined ? id : Buffer.from(JSON.stringify([id, by, value ?? null])).toString('base64url');

export function cursorAt(spec: Listed, scope: Scope, place: Place): string {
  const text = textOf(place);
  const proof = mac('cursor', provenPlace(spec, scope, text)).slice(0, PROOF_LETTERS);
  return Buffer.from(`${text}.${proof}`).toString('base64url');
}

/** @param by what this list is sorted by. @throws Fault `invalid_cursor` */
export function readCursor(spec: Listed, kind: string, scope: Scope, cursor: string, by?: string): Place {
  const [text = '', shown = ''] = Buffer.from(cursor, 'base64url').toString().split('.');
  if (!isMac('cursor', provenPlace(spec, scope, text), shown, PROOF_LETTERS)) throw new Fault('invalid_cursor');
  const [id, sortedBy, value] = isId(kind, text) ? [text] : JSON.parse(Buffer.from(text, 'base64url').toString());
  if (sortedBy !== by) throw new Fault('invalid_cursor', 'The cursor is of the same list in another order.');
  return { id, by, value };
}
