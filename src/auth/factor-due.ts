/** What a login still lacks although somebody is proven. Which factors there are, and how one is shown, is not said here. */
import type { User } from '../domain/user/user.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';

/** `challenge`: a factor that the user has is to be shown; `enrollment`: one is to be set up first. */
export type Due = { kind: 'challenge' | 'enrollment' };

/** Asked with who is proven so far, how (RFC 8176), and for which client. */
export type FactorDue = (
  tenant: Tenant,
  proven: { user: User; amr: readonly string[]; client: string },
) => Promise<Due | undefined>;

/** There are no factors yet. */
export const nothingDue: FactorDue = async () => undefined;

const MISSING: Record<Due['kind'], string> = {
  challenge: 'Multifactor authentication required.',
  enrollment: 'Multifactor authentication enrollment required.',
};
/** For who cannot be asked for more where they are: the words tell what is due. */
export const mfaRequired = ({ kind }: Due): Fault => new Fault('mfa_required', MISSING[kind]);
