/** The hosted pages' way into the engine: what a login waits for, and how a step answers it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { errors, type Interaction, type InteractionResults, type Provider } from 'oidc-provider';
import type { HalfLogin, Outcome } from '../../auth/conclude-login.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { type ClientExtras, homeOf, isUnverified, PAGES, plainRequestsRefused } from '../client/client-metadata.ts';
import type { ProviderFor } from '../engine/providers.ts';
import type { AuthorizationDetail } from '../request/authorization-details.ts';
import { destinationOf, detailsOf, rememberConsent, wantedOf } from '../request/consent.ts';
import { type ConsentQuestion, questionOf } from '../request/permissions.ts';
import { acrOf } from '../request/requested-claims.ts';
import { type BrowserDevice, deviceOf } from './devices.ts';
import { isGuest } from './guests.ts';
import { takeHalfLogin } from './half-login.ts';
import { endSession, SESSION_COOKIE } from './logout.ts';
import { rememberFlow } from './recent-flows.ts';

export type { AuthorizationDetail };

export type Flow = {
  provider: Provider;
  interaction: Interaction;
  uid: string;
  prompt: string;
  params: Record<string, unknown>;
  client: {
    id: string;
    name: string;
    logo?: string;
    uri?: string;
    policy?: string;
    tos?: string;
    firstParty: boolean;
    /** True for our own pages, as the relying party that has a login come back to one of them. */
    ours: boolean;
    /** True when its requests have to be pushed, or signed: an address with parameters is refused. */
    plainRequestsRefused: boolean;
    /** True when nobody at the tenant has seen it: it registered itself. */
    unverified: boolean;
    /** True when it may have the browser sent nowhere yet; see guests.ts. */
    guest: boolean;
    /** Where it has the browser sent back to: a host, `localhost`, or the scheme of a native app. */
    destination?: string;
  };
  device: BrowserDevice;
  /** The user whom the browser's session belongs to, if any. */
  sessionUser?: string;
  /** Somebody is proven here, and something is due before that is a login. */
  half?: HalfLogin;
};

export type Interactions = ReturnType<typeof interactions>;

export function interactions(providerFor: ProviderFor) {
  /** @throws Fault `flow_expired` when the browser carries no such flow (RFC 6819 §4.4.1.8: it is bound by a cookie). */
  async function open(request: FastifyRequest, reply: FastifyReply): Promise<Flow> {
    const provider = await providerFor(request.tenant);
    const interaction = await provider.interactionDetails(request.raw, reply.raw).catch((error: unknown) => {
      if (error instanceof errors.SessionNotFound) throw new Fault('flow_expired', undefined, { cause: error });
      throw error;
    });
    const { uid } = request.params as { uid: string };
    if (interaction.uid !== uid) throw new Fault('flow_expired');
    const client = await provider.Client.find(interaction.params.client_id as string);
    if (!client) throw new Fault('flow_expired');
    const takes = interaction.prompt.name === 'login' && request.method !== 'HEAD';
    const device = deviceOf(request, reply);
    rememberFlow(request, reply, { uid, client, params: interaction.params });
    const carried = takes && takeHalfLogin(request, reply, client.clientId);
    if (carried) await hold(interaction, carried);
    return {
      provider,
      interaction,
      uid,
      prompt: interaction.prompt.name,
      params: interaction.params,
      client: {
        id: client.clientId,
        name: client.clientName ?? client.clientId,
        logo: client.logoUri,
        uri: homeOf(client),
        policy: client.policyUri,
        tos: client.tosUri,
        firstParty: (client as unknown as ClientExtras).first_party ?? false,
        ours: client.clientId === PAGES,
        plainRequestsRefused: plainRequestsRefused(client),
        unverified: isUnverified(client),
        guest: isGuest(request, client),
        destination: destinationOf(interaction.params.redirect_uri),
      },
      device,
      sessionUser: interaction.session?.accountId,
      half: interaction.result?.half as HalfLogin | undefined,
    };
  }

  /** Keeps a half login with the flow. The engine asks its result for `login` alone: to it nobody has logged in. */
  async function hold(interaction: Interaction, half: HalfLogin): Promise<void> {
    interaction.result = { ...interaction.lastSubmission, half };
    await interaction.persist();
  }

  /**
   * Stores the step's result beside those of the steps before; the browser goes on at the returned address. What was half
   * done is done with.
   */
  async function answer({ interaction }: Flow, result: InteractionResults): Promise<string> {
    interaction.result = 'error' in result ? result : { ...interaction.lastSubmission, half: undefined, ...result };
    await interaction.persist();
    return interaction.returnTo;
  }

  /**
   * A login by somebody else than the browser's session belongs to: the old session ends, so that no app of the one
   * user goes on with tokens of the other.
   */
  async function leaveSession(tenant: Tenant, flow: Flow, sessionId: string | undefined): Promise<void> {
    const session = sessionId ? await flow.provider.Session.find(sessionId) : undefined;
    if (session) await endSession(tenant, session);
    flow.interaction.session = undefined;
    await flow.interaction.persist();
  }

  return {
    open,

    /** @returns where the browser goes on: to the engine, or back to the flow for what is due. */
    async conclude(flow: Flow, request: FastifyRequest, outcome: Outcome): Promise<string> {
      if ('next' in outcome) {
        await hold(flow.interaction, outcome.next);
        return `/flow/${flow.uid}`;
      }
      const { user, amr } = outcome.done;
      await flow.device.loggedIn(user, flow.sessionUser === user.id);
      if (flow.sessionUser && flow.sessionUser !== user.id)
        await leaveSession(request.tenant, flow, request.cookies[SESSION_COOKIE]);
      return answer(flow, {
        login: { accountId: user.id, amr, acr: acrOf(amr), remember: true },
        // Somebody else may have allowed something a step before.
        consent: undefined,
        // Whoever logs in has chosen an account by that.
        ...(flow.prompt === 'select_account' && { select_account: {} }),
      } as InteractionResults);
    },

    /** The user stays who they are (prompt=select_account); that is no login, since nobody has proved anything. */
    continueAs: (flow: Flow) =>
      answer(flow, {
        select_account: {},
      } as InteractionResults),

    async allow(flow: Flow, request: FastifyRequest): Promise<string> {
      // The page may be of somebody who has logged out since.
      const session = await flow.provider.Session.find(request.cookies[SESSION_COOKIE] ?? '');
      if (!session || session.uid !== flow.interaction.session?.uid) throw new Fault('flow_expired');
      await rememberConsent(request.tenant, flow.interaction);
      return answer(flow, { consent: {} });
    },

    /** RFC 6749 §4.1.2.1: the relying party is told that the user said no. */
    deny: (flow: Flow) =>
      answer(flow, {
        error: 'access_denied',
        error_description: 'the user did not allow the request',
      }),

    /** The same from a page before there was anything to allow. */
    goBack: (flow: Flow) =>
      answer(flow, {
        error: 'access_denied',
        error_description: 'the user went back without logging in',
      }),

    async question(
      flow: Flow,
      { tenant }: FastifyRequest,
    ): Promise<ConsentQuestion & { details: AuthorizationDetail[] }> {
      const parties = { user: flow.sessionUser!, client: flow.client.id };
      const asked = await questionOf(tenant, parties, await wantedOf(tenant, flow.interaction));
      return { ...asked, details: detailsOf(flow.interaction) };
    },
  };
}
