/**
 * Keeps passwords out of whatever is printed. Our own texts hold none; this is for texts that we did not write:
 * errors of libraries that quote the URL they could not read, command lines quoted by the option parser, stacks.
 */

export type Redact = (text: string) => string;

const mask = '***';

/** Any URL with a password, also of a server that we know nothing about. Greedy: a raw `@` or `/` may be part of it. */
const urlPassword = /\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@?#]*:)[^\s'"]*@/gi;
/** libpq's `password=...`, in URLs and in keyword form. */
const keywordPassword =
  /\b(password|pgpassword|sslpassword)(\s*=\s*)('(?:[^'\\]|\\.)*'|(?:\\.|[^\s&'"\\])+)/gi;

/** `secrets` as from `secretsOf`; URL forms are always masked. */
export function createRedactor(secrets: readonly string[] = []): Redact {
  const forms = new Set(secrets.flatMap(spellings).filter((secret) => secret !== ''));
  // The longest first: one secret may be part of another.
  const alternatives = [...forms].sort((a, b) => b.length - a.length).map(escapeRegExp);
  // Only where it stands by itself, or a password like `a` would mask every second letter.
  const known =
    alternatives.length === 0
      ? null
      : new RegExp(`(?<![\\p{L}\\p{N}_])(?:${alternatives.join('|')})(?![\\p{L}\\p{N}_])`, 'gu');
  return (text) => {
    const masked = text.replace(urlPassword, `$1${mask}@`).replace(keywordPassword, `$1$2${mask}`);
    return known === null ? masked : masked.replace(known, mask);
  };
}

/**
 * The passwords in a connection URL, also in one that is not a valid URL (which is when it gets into messages). With an
 * unencoded `/`, `?`, `#` or `@` in the password, parts of it are read as host or database: they count as well.
 */
export function secretsOf(url: string): string[] {
  const [, user = '', rest = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^:/@?#]*):(.*)$/is.exec(url) ?? [];
  const end = rest.lastIndexOf('@');
  const password = end < 0 ? '' : rest.slice(0, end);
  const [, inQuery = ''] = /[?&]password=([^&]*)/i.exec(url) ?? [];
  const [, ofKey = ''] = /[?&]sslpassword=([^&]*)/i.exec(url) ?? [];
  const database = /^\/([^?]*)/.exec(rest.slice(end + 1).replace(/^[^/]*/, ''))?.[1] ?? '';
  // The name of the user or the database is in every second message anyway: masking it would hide nothing.
  const known = new Set([user, database, ''].map(decode));
  const parts = password.split(/[@/?#]/).filter((part) => part.length > 2);
  return [...new Set([password, inQuery, ofKey, ...parts])].filter((secret) => !known.has(decode(secret)));
}

/** As given, decoded, and as it looks inside a JSON string. */
function spellings(secret: string): string[] {
  const plain = [secret, decode(secret)];
  return [
    ...plain,
    ...plain.map((text) => JSON.stringify(text).slice(1, -1)),
    encodeURIComponent(decode(secret)),
  ];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
