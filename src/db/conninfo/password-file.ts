/**
 * Password files: https://www.postgresql.org/docs/current/libpq-pgpass.html. Not by the library that pg uses (pgpass): that one
 * takes no `passfile`, and pg will not use it much longer.
 */
import { readFileSync, statSync } from 'node:fs';
import { platform } from 'node:os';

export interface PasswordQuery {
  /** `localhost` for a socket. */
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
}

export interface PasswordFile {
  /** null: there is none, or it is not to be used. */
  readonly text: string | null;
  /** Why it is not used although it is there. */
  readonly ignored: string | null;
}

/** A file that others may read is not used, as libpq does not; on Windows nobody can tell. */
export function readPasswordFile(path: string): PasswordFile {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { text: null, ignored: `the password file ${path} is not a plain file` };
    if (platform() !== 'win32' && (stat.mode & 0o077) !== 0) {
      return {
        text: null,
        ignored: `the password file ${path} is not used, because its group or others have access to it (chmod 0600)`,
      };
    }
    return { text: readFileSync(path, 'utf8'), ignored: null };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return {
      text: null,
      ignored: code === 'ENOENT' ? null : `the password file ${path} cannot be read (${code})`,
    };
  }
}

/** The first line that fits; `*` fits everything, a backslash takes the next character as it is. Pure. */
export function findPassword(text: string, { host, port, database, user }: PasswordQuery): string | null {
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const fields = splitFields(line);
    if (fields.length < 5) continue;
    const wanted = [host, port, database, user];
    const fits = wanted.every(
      (value, index) => fields[index] === '*' || unescaped(fields[index] ?? '') === value,
    );
    // The rest of the line, also where a colon in it has no backslash.
    const password = unescaped(fields.slice(4).join(':'));
    if (fits) return password === '' ? null : password;
  }
  return null;
}

/** As they are written. */
function splitFields(line: string): string[] {
  const parts = line.match(/(?:^|:)(?:\\.|[^:\\]|\\$)*/gsu) ?? [];
  return parts.map((part, index) => (index === 0 ? part : part.slice(1)));
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/gsu, '$1');
}
