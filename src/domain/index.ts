/** THE list of resources: what is served, stored, indexed, documented and tested comes from here. */
import type { FastifyInstance } from 'fastify';
import type { Root } from '../kernel/context.ts';
import { mountAccounts } from './account-routes.ts';
import { mount as action } from './action.ts';
import { mount as api } from './api.ts';
import { mount as client } from './client.ts';
import { mount as connection } from './connection.ts';
import { mount as consent } from './consent.ts';
import { mount as credential } from './credential.ts';
import { mount as customDomain } from './custom-domain.ts';
import { mount as emailChange } from './email-change.ts';
import { mount as emailVerification } from './email-verification.ts';
import { mount as identity } from './identity.ts';
import { mount as initialAccessToken } from './initial-access-token.ts';
import { mount as log } from './log.ts';
import { mount as notificationSubscription } from './notification-subscription.ts';
import { mount as role } from './role.ts';
import { mount as roleMember } from './role-member.ts';
import { mount as team } from './team.ts';
import { mount as teamInvite } from './team-invite.ts';
import { mount as teamMember } from './team-member.ts';
import { mount as user } from './user.ts';
import { mount as userTransfer } from './user-transfer.ts';

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
