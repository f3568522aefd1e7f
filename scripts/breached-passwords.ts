/**
 * Makes the list that passwords are compared with of the public one in @zxcvbn-ts/language-common (the most common of what
 * was leaked, in lower case): the sorted beginnings of their hashes, and no password. After an update of that package.
 */
import { writeFileSync } from 'node:fs';
import { dictionary } from '@zxcvbn-ts/language-common';
import { LIST, PREFIX_BYTES, prefixOf } from '../src/domain/user/breached-password.ts';

const passwords = dictionary['passwords-common'] as readonly string[];
const prefixes = [...new Set(passwords.map(prefixOf))].sort((a, b) => a - b);
const bytes = Buffer.alloc(prefixes.length * PREFIX_BYTES);
for (const [at, prefix] of prefixes.entries()) bytes.writeUIntBE(prefix, at * PREFIX_BYTES, PREFIX_BYTES);
writeFileSync(LIST, bytes);
process.stdout.write(`${passwords.length} passwords, ${bytes.length} bytes\n`);
