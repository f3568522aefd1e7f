/**
 * Password rules of a database connection: five levels and overrides, checked when a password is written. A rule is data,
 * so that a page can tell it before it is broken, and tick it off while somebody types.
 */
import Type, { type Static } from 'typebox';
import { Fault } from '../../kernel/fault.ts';
import { OneOf } from '../../resource/define.ts';
import { isBreached } from './breached-password.ts';

export const LEVELS = ['none', 'low', 'fair', 'good', 'excellent'] as const;

export const PasswordPolicy = Type.Object(
  {
    level: OneOf(LEVELS),
    min_length: Type.Optional(Type.Integer({ minimum: 1, maximum: 128 })),
    require_lowercase: Type.Optional(Type.Boolean()),
    require_uppercase: Type.Optional(Type.Boolean()),
    require_number: Type.Optional(Type.Boolean()),
    require_special: Type.Optional(Type.Boolean()),
    allow_breached: Type.Optional(
      Type.Boolean({
        description:
          'An addition to the contract. Whether a password is taken that is on lists of leaked ones; without it at the level `none` alone',
      }),
    ),
  },
  { additionalProperties: false },
);
export type PasswordPolicy = Static<typeof PasswordPolicy>;

/** Longer than anyone types; bounds the work of hashing. */
export const MAX_PASSWORD_LENGTH = 1024;

const KINDS = {
  lowercase: { pattern: '\\p{Ll}', words: 'a lower-case letter' },
  uppercase: { pattern: '\\p{Lu}', words: 'an upper-case letter' },
  number: { pattern: '\\p{N}', words: 'a number' },
  special: { pattern: '[^\\p{L}\\p{N}\\s]', words: 'a special character' },
} as const;
type Kind = keyof typeof KINDS;
const ALL_KINDS = Object.keys(KINDS) as Kind[];

type Preset = { minLength: number; required: readonly Kind[]; kinds: number; maxRepeat?: number };

const PRESETS: Record<(typeof LEVELS)[number], Preset> = {
  none: { minLength: 1, required: [], kinds: 0 },
  low: { minLength: 6, required: [], kinds: 0 },
  fair: { minLength: 8, required: ['lowercase', 'uppercase', 'number'], kinds: 0 },
  good: { minLength: 8, required: [], kinds: 3 },
  excellent: { minLength: 10, required: [], kinds: 3, maxRepeat: 2 },
};

export type PasswordRule = {
  name: 'length' | 'max_length' | Kind | 'kinds' | 'repeat';
  /** The number that it speaks of. */
  count: number;
  /** What has to be found, as regular expressions with the flags `su`; so many of them. */
  patterns: readonly string[];
  least: number;
  /** What to do about it. */
  words: string;
};

/** What a password of the connection has to keep. No policy means `good`. */
export function passwordRules(policy: PasswordPolicy | null | undefined): PasswordRule[] {
  const preset = PRESETS[policy?.level ?? 'good'];
  const minLength = policy?.min_length ?? preset.minLength;
  const isRequired = (kind: Kind) => policy?.[`require_${kind}`] ?? preset.required.includes(kind);
  const one = (name: PasswordRule['name'], count: number, pattern: string, words: string): PasswordRule => ({
    name,
    count,
    patterns: [pattern],
    least: 1,
    words,
  });
  return [
    one('length', minLength, `^.{${minLength},}$`, `Use at least ${minLength} characters.`),
    one(
      'max_length',
      MAX_PASSWORD_LENGTH,
      `^.{0,${MAX_PASSWORD_LENGTH}}$`,
      `Use at most ${MAX_PASSWORD_LENGTH} characters.`,
    ),
    ...ALL_KINDS.filter(isRequired).map((kind) => one(kind, 1, KINDS[kind].pattern, `Include ${KINDS[kind].words}.`)),
    ...(preset.kinds ? [kindsRule(preset.kinds)] : []),
    ...(preset.maxRepeat ? [repeatRule(preset.maxRepeat)] : []),
  ];
}

const kindsRule = (count: number): PasswordRule => ({
  name: 'kinds',
  count,
  patterns: ALL_KINDS.map((kind) => KINDS[kind].pattern),
  least: count,
  words: 'Include at least three of: lower-case letters, upper-case letters, numbers, special characters.',
});

const repeatRule = (count: number): PasswordRule => ({
  name: 'repeat',
  count,
  patterns: [`^(?!.*(.)\\1{${count}})`],
  least: 1,
  words: `Do not repeat a character more than ${count} times in a row.`,
});

/** The rules that a password breaks. */
export function brokenRules(policy: PasswordPolicy | null | undefined, password: string): PasswordRule[] {
  // Beyond what anybody types nothing is looked for.
  if (password.length > 4 * MAX_PASSWORD_LENGTH)
    return passwordRules(policy).filter(({ name }) => name === 'max_length');
  return passwordRules(policy).filter(
    ({ patterns, least }) => patterns.filter((pattern) => new RegExp(pattern, 'su').test(password)).length < least,
  );
}

/** What can be said without looking anything up. @throws Fault `password_policy` with every rule that the password breaks. */
export function checkRules(policy: PasswordPolicy | null | undefined, password: string): void {
  const failures = brokenRules(policy, password).map(({ words }) => words);
  if (failures.length) throw new Fault('password_policy', failures.join(' '), { details: failures });
}

/**
 * @throws Fault `password_policy` with every rule that the password breaks; `password_breached` for one that keeps them all
 *   and that others have lost.
 */
export async function checkPassword(policy: PasswordPolicy | null | undefined, password: string): Promise<void> {
  checkRules(policy, password);
  const allowed = policy?.allow_breached ?? policy?.level === 'none';
  if (!allowed && (await isBreached(password))) throw new Fault('password_breached');
}
