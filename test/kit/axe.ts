/** What axe-core finds wrong on the page that a tab shows: by its rules, and by its good practices too. */
import axe from 'axe-core';
import type { FastifyInstance } from 'fastify';
import type { Page } from 'playwright-core';

const SCRIPT = '/axe.js';

/** Where pages under a policy may have it from; a browser reads it once. */
export function serveAxe(app: FastifyInstance): void {
  app.get(SCRIPT, (_, reply) =>
    reply.type('text/javascript').header('cache-control', 'max-age=3600, immutable').send(axe.source),
  );
}

/** @returns faults in words (the rule, where, and what axe says of it), by one rule alone or by all. */
export async function axeOn(tab: Page): Promise<(rule?: string) => Promise<string[]>> {
  await tab.addScriptTag({ url: SCRIPT });
  return async (rule) => {
    const options = { resultTypes: ['violations'], ...(rule && { runOnly: { type: 'rule', values: [rule] } }) };
    const { violations } = await tab.evaluate<axe.AxeResults>(`axe.run(${JSON.stringify(options)})`);
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} at ${target}: ${failureSummary}`),
    );
  };
}
