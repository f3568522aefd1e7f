/** THE list of resources: what is served, stored, indexed, documented and tested comes from here. */
import type { FastifyInstance } from 'fastify';
import type { Root } from '../kernel/context.ts';
import { mount as consent } from './access/consent.ts';
import { mount as role } from './access/role.ts';
import { mount as roleMember } from './access/role-member.ts';
import { mount as team } from './access/team.ts';
import { mount as teamMember } from './access/team-member.ts';
import { mountAccounts } from './account/account-routes.ts';
import { mount as customDomain } from './account/custom-domain.ts';
import { mount as api } from './api/api.ts';
import { mount as client } from './client/client.ts';
import { mount as initialAccessToken } from './client/initial-access-token.ts';
import { mount as action } from './connection/action.ts';
import { mount as connection } from './connection/connection.ts';
import { mount as emailChange } from './link/email-change.ts';
import { mount as emailVerification } from './link/email-verification.ts';
import { mount as teamInvite } from './link/team-invite.ts';
import { mount as log } from './trail/log.ts';
import { mount as notificationSubscription } from './trail/notification-subscription.ts';
import { mount as credential } from './user/credential.ts';
import { mount as identity } from './user/identity.ts';
import { mount as user } from './user/user.ts';
import { mount as userTransfer } from './user/user-transfer.ts';

const RESOURCES = [
  user,
  userTransfer,
  emailVerification,
  emailChange,
  connection,
  client,
  consent,
  initialAccessToken,
  identity,
  credential,
  role,
  roleMember,
  team,
  teamMember,
  teamInvite,
  api,
  action,
  notificationSubscription,
  customDomain,
  log,
];

export function mountResources(app: FastifyInstance, options: { root: Root; baseDomain: string }): void {
  mountAccounts(app, options);
  for (const mount of RESOURCES) mount(app, options);
}
