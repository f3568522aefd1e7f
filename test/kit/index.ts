/**
 * What a test starts from: `const w = await world(); const t = await w.tenant();` and then users, clients, browsers and
 * tokens. What few tests need or what is slow to load has its own file beside: browser.ts (a real one), contract.ts,
 * faults.ts, instance.ts, logout-receiver.ts, mailbox.ts, operations.ts, relying-party.ts.
 */
export * from './agent.ts';
export * from './authorization.ts';
export * from './client-key.ts';
export * from './clock.ts';
export * from './discovery.ts';
export * from './dpop.ts';
export * from './http.ts';
export * from './jwt.ts';
export * from './server.ts';
export * from './sign-in.ts';
export * from './tenant.ts';
export * from './tokens.ts';
export * from './until.ts';
export * from './world.ts';
