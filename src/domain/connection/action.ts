/** Actions: scripts that the account runs while somebody logs in. Kept and checked for syntax here, run by flows/. */
import { Script } from 'node:vm';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, OneOf, type Row } from '../../resource/define.ts';
import { createRow } from '../../resource/references.ts';
import { mountResource } from '../../resource/routes.ts';
import { byEverybody } from '../access/ceiling.ts';
import { Name } from '../fields.ts';

const MAX_CODE = 100_000;

const fields = {
  name: Name('Action Name'),
  trigger: OneOf(['post-login', 'continue'], 'When it runs'),
  code: Type.String({ maxLength: MAX_CODE, description: 'JavaScript code to execute, at most 100,000 characters' }),
  enabled: Type.Boolean({ description: 'Is this action active?' }),
  order: Type.Number({ minimum: -1e9, maximum: 1e9, description: 'Actions of a trigger run in ascending order' }),
};

export const actions = defineCollection({
  name: 'action',
  title: 'Action',
  tag: { title: 'Actions', description: 'Scripts of the account that run while somebody logs in.' },
  permission: 'actions',
  permissions: { of: 'actions', verbs: ['read', 'create', 'delete'] },
  collection: 'actions',
  row: Type.Object(fields),
  defaults: () => ({ code: '', enabled: true, order: 0 }),
  filter: ['name', 'trigger', 'enabled'],
  freeForm: ['metadata'],
  notYet: [{ what: 'Actions', says: 'Actions are kept and checked for syntax; nothing runs them yet.' }],
});

type Action = Row<typeof actions.spec.row>;
type ActionInput = Partial<Omit<Action, 'id' | 'account'>>;

/** Compiles without running. @throws Fault `validation` naming the line. */
function checkSyntax(code: string): void {
  try {
    new Script(code, { filename: 'action.js' });
  } catch (error) {
    const { stack = '', message } = error as Error;
    const line = /^action\.js:(\d+)/.exec(stack)?.[1] ?? '1';
    const words = `is not JavaScript: line ${line}: ${message}`;
    throw new Fault('validation', `"code" ${words}.`, { details: [{ path: '/code', message: words }] });
  }
}

async function createAction(tenant: Tenant, input: ActionInput): Promise<Action> {
  checkSyntax(input.code ?? '');
  return createRow(actions, tenant, input);
}

export function mount(app: FastifyInstance): void {
  const { name, trigger, code, enabled, order } = fields;
  mountResource(app, actions, {
    create: {
      body: Type.Object(
        {
          name,
          trigger,
          code: Type.Optional(code),
          enabled: Type.Optional(enabled),
          order: Type.Optional(order),
          metadata: Type.Optional(Metadata),
        },
        { additionalProperties: false },
      ),
      run: createAction,
      // It runs in every login, administrators' too.
      gives: byEverybody,
    },
    remove: true,
  });
}
