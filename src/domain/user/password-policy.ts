/** Password rules of a database connection: five levels and overrides, checked when a password is written. */
import Type, { type Static } from 'typebox';
import { Fault } from '../../kernel/fault.ts';
import { OneOf } from '../../resource/define.ts';

export const LEVELS = ['none', 'low', 'fair', 'good', 'excellent'] as const;

export const PasswordPolicy = Type.Object(
  {
    level: OneOf(LEVELS),
    min_length: Type.Optional(Type.Integer({ minimum: 1, maximum: 128 })),
    require_lowercase: Type.Optional(Type.Boolean()),
    require_uppercase: Type.Optional(Type.Boolean()),
    require_number: Type.Optional(Type.Boolean()),
    require_special: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type PasswordPolicy = Static<typeof PasswordPolicy>;

/** Longer than anyone types; bounds the work of hashing. */
export const MAX_PASSWORD_LENGTH = 1024;

type Rules = { minLength: number; required: readonly Kind[]; kinds: number; maxRepeat?: number };
type Kind = 'lowercase' | 'uppercase' | 'number' | 'special';

const PRESETS: Record<(typeof LEVELS)[number], Rules> = {
  none: { minLength: 1, required: [], kinds: 0 },
  low: { minLength: 6, required: [], kinds: 0 },
  fair: { minLength: 8, required: ['lowercase', 'uppercase', 'number'], kinds: 0 },
  good: { minLength: 8, required: [], kinds: 3 },
  excellent: { minLength: 10, required: [], kinds: 3, maxRepeat: 2 },
};

const KINDS: Record<Kind, { test: RegExp; words: string }> = {
  lowercase: { test: /\p{Ll}/u, words: 'a lower-case letter' },
  uppercase: { test: /\p{Lu}/u, words: 'an upper-case letter' },
  number: { test: /\p{N}/u, words: 'a number' },
  special: { test: /[^\p{L}\p{N}\s]/u, words: 'a special character' },
};

/** What is missing, as sentences; empty when the password is fine. No policy means `good`. */
export function policyFailures(policy: PasswordPolicy | null | undefined, password: string): string[] {
  const preset = PRESETS[policy?.level ?? 'good'];
  const minLength = policy?.min_length ?? preset.minLength;
  const required = new Set(preset.required);
  for (const kind of Object.keys(KINDS) as Kind[]) {
    const override = policy?.[`require_${kind}`];
    if (override === true) required.add(kind);
    if (override === false) required.delete(kind);
  }
  const failures: string[] = [];
  const length = [...password].length;
  if (length < minLength) failures.push(`Use at least ${minLength} characters.`);
  if (password.length > MAX_PASSWORD_LENGTH) failures.push(`Use at most ${MAX_PASSWORD_LENGTH} characters.`);
  for (const kind of required) if (!KINDS[kind].test.test(password)) failures.push(`Include ${KINDS[kind].words}.`);
  const present = Object.values(KINDS).filter(({ test }) => test.test(password)).length;
  if (present < preset.kinds)
    failures.push('Include at least three of: lower-case letters, upper-case letters, numbers, special characters.');
  if (preset.maxRepeat && new RegExp(`(.)\\1{${preset.maxRepeat}}`, 'su').test(password))
    failures.push(`Do not repeat a character more than ${preset.maxRepeat} times in a row.`);
  return failures;
}

/** @throws Fault `password_policy` with every rule that the password breaks. */
export function checkPassword(policy: PasswordPolicy | null | undefined, password: string): void {
  const failures = policyFailures(policy, password);
  if (failures.length) throw new Fault('password_policy', failures.join(' '), { details: failures });
}
