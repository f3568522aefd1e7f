/** What the journeys are mounted with: the engine as pages see it, and what the composition knows of the installation. */
import type { FastifyInstance } from 'fastify';
import type { LoginPolicy } from '../../auth/conclude-login.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import type { Interactions } from '../../oidc/browser/interactions.ts';
import type { ProviderFor } from '../../oidc/engine/providers.ts';
import type { Page, PageData } from './page.ts';

export type FlowDeps = {
  interactions: Interactions;
  browser: Browser;
  providerFor: ProviderFor;
  /** What holds for logins, passwords among them. */
  policy: LoginPolicy;
  development: boolean;
  /** True when the demo tenant was seeded. */
  demo(): boolean;
  playgroundClient: string;
};

/** The pages of one journey, and what adds the routes that lead through them. A file, and a line in the list of `flows/index.ts`. */
export type Journey = {
  pages: readonly Page<PageData>[];
  mount(app: FastifyInstance, deps: FlowDeps): void;
};
