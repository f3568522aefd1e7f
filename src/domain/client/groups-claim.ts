/**
 * The setting by which a client gets the groups of its users under the name that it reads them from. What is in them is
 * oidc/token/groups.ts's.
 */
import Type, { type Static } from 'typebox';
import { Fault } from '../../kernel/fault.ts';
import { OneOf } from '../../resource/define.ts';
import type { ClientInput } from './client.ts';

export const GroupsClaim = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 100,
      // Names as apps have them, and URLs (OIDC Core §5.1.2). None of `__proto__`.
      pattern: '^[A-Za-z][\\w.:/-]*$',
      description: 'What the claim is called: `groups`, as most apps want it, or any name that says nothing else',
    }),
    from: OneOf(
      ['roles', 'teams', 'permissions'],
      "What is in it: names of the user's account-wide roles, slugs of their teams, or the permissions of those roles",
    ),
  },
  {
    additionalProperties: false,
    description:
      'A claim of this name in ID tokens, at userinfo and in access tokens lists what the user is or may. For clients of the first party',
  },
);
export type GroupsClaim = Static<typeof GroupsClaim>;

/** Of tokens of ours, of RFC 7519's registry, and of both specifications' protocols: a list in their place would be believed. */
const TAKEN = new Set(
  `iss sub aud exp nbf iat jti client_id client account scope scp permissions act may_act cnf sid grant_id token_use
  typ authorization_details userinfo_claims auth_time acr amr azp nonce at_hash c_hash s_hash events toe txn active username
  name given_name family_name middle_name nickname preferred_username profile picture website email email_verified gender
  birthdate zoneinfo locale phone_number phone_number_verified address updated_at sub_jwk sub_id vot vtm vc vp
  token_introspection constructor prototype`.split(/\s+/),
);
/** An Api may want these, so the claim is the very same thing or is called something else. */
const OWN: Record<string, GroupsClaim['from']> = { roles: 'roles', teams: 'teams' };

/** @throws Fault `validation` for a name that means something else, and for a client whose users were to be asked. */
export function checkGroupsClaim(input: ClientInput, current: ClientInput): void {
  const { groups_claim: claim } = input;
  const refuse = (path: string, message: string): never => {
    throw new Fault('validation', `"groups_claim" ${message}.`, { details: [{ path, message }] });
  };
  if (claim && (TAKEN.has(claim.name) || (Object.hasOwn(OWN, claim.name) && OWN[claim.name] !== claim.from)))
    refuse('/groups_claim/name', `may not be named ${claim.name}, which means something else`);
  // Nobody is asked about it, and whom somebody works with is not for strangers.
  const next = { ...current, ...input };
  if (next.groups_claim && !next.is_first_party) refuse('/groups_claim', 'is for clients with is_first_party only');
}
