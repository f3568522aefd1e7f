/** THE list of resources: what is served, stored, indexed, documented and tested comes from here. */
import type { FastifyInstance } from 'fastify';
import type { Root } from '../kernel/context.ts';
import { announceBy } from '../resource/announcing.ts';
import type { ResourceSpec } from '../resource/define.ts';
import { type AnyCollection, verifyReferences } from '../resource/registry.ts';
import { mount as consent, consents } from './access/consent.ts';
import { mount as role, roles } from './access/role.ts';
import { mount as roleMember, roleMembers } from './access/role-member.ts';
import { mount as team, teams } from './access/team.ts';
import { mount as teamMember, teamMembers } from './access/team-member.ts';
import { accounts } from './account/account.ts';
import { mount as account } from './account/account-routes.ts';
import { customDomains } from './account/custom-domain.ts';
import { mount as customDomain } from './account/custom-domain-routes.ts';
import type { FetchPicture } from './account/logo.ts';
import { mount as api, apis } from './api/api.ts';
import { mount as client, clients } from './client/client.ts';
import { mount as clientSecret } from './client/client-secret.ts';
import { mount as initialAccessToken } from './client/initial-access-token.ts';
import { mount as action, actions } from './connection/action.ts';
import { mount as connection, connections } from './connection/connection.ts';
import { mount as emailChange } from './link/email-change.ts';
import { mount as emailVerification } from './link/email-verification.ts';
import { mount as teamInvite } from './link/team-invite.ts';
import { mount as bounce } from './mail/bounce.ts';
import { mount as mailTemplate, mailTemplates } from './mail/override.ts';
import { announcer } from './trail/announcer.ts';
import { mount as log, logs } from './trail/log.ts';
import { mount as notificationSubscription, notificationSubscriptions } from './trail/notification-subscription.ts';
import { mount as subscriptionDelivery } from './trail/subscription-delivery.ts';
import { mount as credential, credentials } from './user/credential.ts';
import { identities, mount as identity } from './user/identity.ts';
import { mount as userTransfer } from './user/transfer/routes.ts';
import { users } from './user/user.ts';
import { mount as userLists } from './user/user-lists.ts';
import { mount as user } from './user/user-routes.ts';

type Options = {
  root: Root;
  baseDomain: string;
  importBytes: number;
  postmarkWebhookSecret: string | undefined;
  fetchPicture: FetchPicture;
};
/** Rows with their routes, or routes alone that belong to rows above them. */
type Resource = { rows?: AnyCollection; mount(app: FastifyInstance, options: Options): void };

/** In the order in which the documentation introduces them. */
const RESOURCES: readonly Resource[] = [
  { rows: accounts, mount: account },
  { rows: connections, mount: connection },
  { rows: clients, mount: client },
  { mount: clientSecret },
  { mount: initialAccessToken },
  { rows: users, mount: user },
  { mount: userLists },
  { mount: userTransfer },
  { mount: emailVerification },
  { mount: emailChange },
  { rows: consents, mount: consent },
  { rows: identities, mount: identity },
  { rows: credentials, mount: credential },
  { rows: roles, mount: role },
  { rows: roleMembers, mount: roleMember },
  { rows: teams, mount: team },
  { rows: teamMembers, mount: teamMember },
  { mount: teamInvite },
  { rows: apis, mount: api },
  { rows: actions, mount: action },
  { rows: notificationSubscriptions, mount: notificationSubscription },
  { mount: subscriptionDelivery },
  { rows: mailTemplates, mount: mailTemplate },
  { mount: bounce },
  { rows: customDomains, mount: customDomain },
  { rows: logs, mount: log },
];

export function mountResources(app: FastifyInstance, options: Options): void {
  verifyReferences();
  announceBy(announcer);
  for (const { mount } of RESOURCES) mount(app, options);
}

/** How the API's documentation introduces each resource. */
export const resourceTags = RESOURCES.flatMap(({ rows }) =>
  rows?.spec.tag ? [{ name: rows.spec.name as string, ...rows.spec.tag }] : [],
);

/** What of each resource is kept and has no effect yet. */
export const resourcesNotYet = RESOURCES.flatMap(({ rows }) =>
  ((rows?.spec as ResourceSpec | undefined)?.notYet ?? []).map((notYet) => ({
    name: rows!.spec.name as string,
    title: rows!.spec.title as string,
    ...notYet,
  })),
);
