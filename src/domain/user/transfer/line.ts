/**
 * A line of an import: our own export's, or what other systems call the same things. Judged by the rules that hold for
 * users who are made one by one.
 */
import Type, { type Static } from 'typebox';
import { nowSeconds } from '../../../kernel/clock.ts';
import { Fault } from '../../../kernel/fault.ts';
import { isId, timeOfId } from '../../../kernel/id.ts';
import { CustomHash, customHash, FirebaseParameters, firebaseHash } from '../../../kernel/secret/custom-hash.ts';
import { passwordHash } from '../../../kernel/secret/foreign-hash.ts';
import { checkText } from '../../../kernel/text/plain.ts';
import { checkMetadata } from '../../../resource/metadata.ts';
import { MASK } from '../../../resource/sealing.ts';
import { canonicalTexts } from '../../../resource/texts.ts';
import { validatorOf } from '../../../resource/validation.ts';
import { credentials } from '../credential.ts';
import { deriveUser, type User, UserWrite, users } from '../user.ts';

const secret = {
  password_hash: Type.Optional(Type.String({ maxLength: 4000 })),
  custom_password_hash: Type.Optional(CustomHash),
  salt: Type.Optional(Type.String({ maxLength: 500 })),
};
const Login = Type.Object(
  {
    connection: Type.Optional(Type.String({ maxLength: 200 })),
    email: Type.Optional(Type.String({ maxLength: 254 })),
    username: Type.Optional(Type.String({ maxLength: 150 })),
    ...secret,
  },
  { additionalProperties: false },
);

/** What other systems call a user who may not log in, and with which value. */
const SUSPENDED = { disabled: true, blocked: true, banned: true, enabled: false, active: false, is_active: false };

/** What they call what we have under another name. */
const RENAMED: Record<string, string> = {
  emailVerified: 'email_verified',
  displayName: 'name',
  firstName: 'given_name',
  lastName: 'family_name',
  photoUrl: 'picture',
  phoneNumber: 'phone',
  phone_number: 'phone',
  phone_number_verified: 'phone_verified',
  birthdate: 'birth_date',
  passwordHash: 'password_hash',
};
/** Where they have the id. */
const IDS = ['id', 'user_id', 'localId', 'uid', '_id'];

const ImportLine = Type.Object(
  {
    ...UserWrite.properties,
    ...secret,
    ...Object.fromEntries(Object.keys(SUSPENDED).map((name) => [name, Type.Optional(Type.Boolean())])),
    credentials: Type.Optional(Type.Array(Login, { maxItems: 100 })),
  },
  // Exports carry counters and more of the system they come from; those are not ours to keep.
  { additionalProperties: true },
);
type ImportLine = Static<typeof ImportLine> & Record<string, unknown>;
const isLine = validatorOf(ImportLine);
const isConfig = validatorOf(Type.Object({ hash_config: FirebaseParameters }, { additionalProperties: false }));

/** The parameters of a Firebase export, where the line holds those. */
export const hashConfigOf = (input: unknown): FirebaseParameters | undefined =>
  isConfig(input) ? input.hash_config : undefined;

export type LoginOf = { connection: string; email?: string; username?: string; password_hash?: string };
export type Candidate = {
  line: number;
  /** As the line has it, where it could be an id of ours. */
  id?: string;
  /** As the line has it, where it could not. */
  was?: string;
  logins: LoginOf[];
  user: Partial<User>;
};

/** The id of a connection that users log in at; without a name that of the one they are imported into. @throws Fault */
export type ConnectionOf = (name: string | undefined) => string;

/** Fields that an import may set, in the order of an export. */
export const OWN = Object.keys(UserWrite.properties);

/** @throws Fault `validation` saying what is wrong with the line. */
export function candidateOf(
  line: number,
  json: unknown,
  { connectionOf, firebase }: { connectionOf: ConnectionOf; firebase?: FirebaseParameters },
): Candidate {
  checkText(json);
  const input = said(json);
  checkMetadata('user_metadata', input.user_metadata);
  checkMetadata('app_metadata', input.app_metadata);
  const fields = Object.fromEntries(OWN.flatMap((name) => (input[name] === undefined ? [] : [[name, input[name]]])));
  if (Object.entries(SUSPENDED).some(([name, value]) => input[name] === value)) fields.suspended = true;
  const user = deriveUser(canonicalTexts(users.spec, fields) as never);
  const own = idOf(input);
  const logins = loginsOf(input, user, own.id !== undefined).map(({ connection, email, username, ...hashed }) => ({
    ...canonicalTexts(credentials.spec, { email, username }),
    connection: connectionOf(connection),
    password_hash: hashOf(hashed, firebase),
  }));
  if (logins.some(({ email, username }) => !email && !username))
    throw new Fault('validation', 'one of email and username is required');
  return { line, ...own, logins, user };
}

/** Null and empty text say nothing, and our own name for a thing counts before others'. */
function said(json: unknown): ImportLine {
  const input = (typeof json === 'object' && json !== null && !Array.isArray(json) ? { ...json } : json) as ImportLine;
  if (input === json) throw new Fault('validation', 'the line is not a user');
  for (const [name, value] of Object.entries(input)) if (value === null || value === '') delete input[name];
  for (const [theirs, ours] of Object.entries(RENAMED)) if (theirs in input) input[ours] ??= input[theirs];
  if (isLine(input)) return input;
  const [first] = isLine.errors ?? [];
  throw new Fault('validation', `${first?.instancePath || 'the line'} ${first?.message ?? 'is not a user'}`);
}

function idOf(input: Record<string, unknown>): { id?: string; was?: string } {
  const given = IDS.map((name) => input[name]).find((value) => value !== undefined);
  const id = typeof given === 'object' ? (given as { $oid?: unknown }).$oid : given;
  if (typeof id !== 'string' && typeof id !== 'number') return {};
  // One from the future would be the newest user for years.
  const ours = isId('user', id) && timeOfId(id).getTime() / 1000 <= nowSeconds() + 1;
  return ours ? { id } : { was: String(id).slice(0, 200) };
}

/** What the user logs in with: as the line lists it, else by the addresses of the profile. */
function loginsOf(input: ImportLine, { email, username }: Partial<User>, known: boolean): Static<typeof Login>[] {
  const { credentials: listed, password_hash, custom_password_hash, salt } = input;
  const hashed = { password_hash, custom_password_hash, salt };
  const hasHash = password_hash !== undefined || custom_password_hash !== undefined;
  if (listed && hasHash) throw new Fault('validation', 'a password hash stands beside credentials');
  if (listed) return listed;
  // Whoever has an id of ours can be told from others without an address.
  if (!email && !username && known && !hasHash) return [];
  return [{ ...hashed, email: email ?? undefined, username: username ?? undefined }];
}

type Hashed = Pick<Static<typeof Login>, keyof typeof secret>;

function hashOf({ password_hash, custom_password_hash, salt }: Hashed, firebase?: FirebaseParameters) {
  if (custom_password_hash) return customHash(custom_password_hash);
  if (password_hash === undefined || password_hash === MASK) return undefined;
  return firebase && salt !== undefined ? firebaseHash(firebase, password_hash, salt) : passwordHash(password_hash);
}
