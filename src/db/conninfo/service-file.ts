/** Connection service files: https://www.postgresql.org/docs/current/libpq-pgservice.html */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../errors.js';
import { checkName, type Settings } from './parameters.js';

export interface ServiceSearch {
  readonly service: string;
  /** By `servicefile` or PGSERVICEFILE. */
  readonly file: string | null;
  readonly home: string;
  /** PGSYSCONFDIR. */
  readonly systemDirectory: string | null;
}

/** @throws UsageError `bad-service` */
export function readService({ service, file, home, systemDirectory }: ServiceSearch): Settings {
  const user = file ?? join(home, '.pg_service.conf');
  const files = [user, ...(systemDirectory === null ? [] : [join(systemDirectory, 'pg_service.conf')])];
  for (const path of files) {
    const text = readIfThere(path, { mustBe: path === file });
    const found = text === null ? null : parseService(text, service, path);
    if (found !== null) return found;
  }
  throw new UsageError('bad-service', `the service "${service}" is not defined in ${files.join(', ')}`, {
    hint: 'service= or PGSERVICE names a section [NAME] of ~/.pg_service.conf, PGSERVICEFILE, or PGSYSCONFDIR/pg_service.conf',
  });
}

function readIfThere(path: string, { mustBe }: { readonly mustBe: boolean }): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (!mustBe && (cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UsageError('bad-service', `the service file ${path} cannot be read`, { cause });
  }
}

/** Pure. null when there is no such section; the first one of that name counts, and in it the first of each parameter. */
export function parseService(text: string, service: string, path: string): Settings | null {
  let found: Map<string, string> | null = null;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    const where = `line ${index + 1} of ${path}`;
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('[')) {
      if (found !== null) return found;
      if (line.startsWith(`[${service}]`)) found = new Map();
      continue;
    }
    if (found === null) continue;
    if (line.startsWith('ldap')) {
      throw new UsageError('bad-service', `${where}: looking a service up by LDAP is not supported`);
    }
    const equals = line.indexOf('=');
    if (equals < 0) throw new UsageError('bad-service', `${where} is no NAME=VALUE`);
    const name = line.slice(0, equals);
    if (name === 'service' || name === 'servicefile') {
      throw new UsageError('bad-service', `${where}: a service cannot name another one`);
    }
    checkName(name, where);
    if (!found.has(name)) found.set(name, line.slice(equals + 1));
  }
  return found;
}
