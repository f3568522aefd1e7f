/** Who reads an answer: a person in a browser, which asks for HTML by name, or a program, which takes JSON or anything. */

/** @param headers of the request; media types are in any case (RFC 9110 §8.3.1), and their wildcards name nothing. */
export const wantsPage = ({ headers }: { headers: { accept?: string } }): boolean =>
  /\btext\/html\b/i.test(headers.accept ?? '');
