/** THE list of resources: what is served, stored, indexed, documented and tested comes from here. */
import type { FastifyInstance } from 'fastify';
import type { Root } from '../kernel/context.ts';
import { mountAccounts } from './account-routes.ts';
import { mount as api } from './api.ts';
import { mount as client } from './client.ts';
import { mount as connection } from './connection.ts';
import { mount as credential } from './credential.ts';
import { mount as log } from './log.ts';
import { mount as role } from './role.ts';
import { mount as roleMember } from './role-member.ts';
import { mount as user } from './user.ts';

const RESOURCES = [user, connection, client, credential, api, role, roleMember, log];

export function mountResources(app: FastifyInstance, options: { root: Root; baseDomain: string }): void {
  mountAccounts(app, options);
  for (const mount of RESOURCES) mount(app);
}
