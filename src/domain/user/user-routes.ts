/** Users by the management API. */
import type { FastifyInstance } from 'fastify';
import type { Tenant } from '../../kernel/context.ts';
import type { Given } from '../../resource/request.ts';
import { mountResource } from '../../resource/routes.ts';
import { byUser, changedBy } from '../access/ceiling.ts';
import { admitUser } from './newcomer.ts';
import { type User, type UserInput, UserWrite, updateUser, users } from './user.ts';

/** By which addresses people log in, and whether they are theirs. */
const REACHES = ['email', 'email_verified', 'phone', 'phone_verified'] as const;

/** Who was suspended and is let in again gets back what they may do. */
const givesUser = (tenant: Tenant, patch: UserInput, current: User): Given =>
  changedBy(patch, current).some(
    (field) => (REACHES as readonly string[]).includes(field) || (field === 'suspended' && !patch.suspended),
  )
    ? byUser(tenant, current.id)
    : [];

export function mount(app: FastifyInstance): void {
  mountResource(app, users, {
    create: { body: UserWrite, run: (tenant, input) => admitUser(tenant, input) },
    update: { body: UserWrite, run: updateUser, gives: givesUser, weighs: ['suspended', ...REACHES] },
    remove: true,
  });
}
