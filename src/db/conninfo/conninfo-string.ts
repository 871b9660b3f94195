/**
 * libpq's two ways to write a connection: `host=... dbname=...` and `postgresql://...`
 * (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING). Pure. Parsed here since the URLs that pg
 * takes have one host, and no parser of the other form is kept. No message quotes a value: it may be the password.
 */
import { UsageError } from '../../errors.js';
import { checkName, type Settings } from './parameters.js';

/** @throws UsageError `bad-dsn`, `connection-parameter` */
export function parseConninfo(text: string): Settings {
  const scheme = /^postgres(?:ql)?:\/\//.exec(text);
  if (scheme !== null) return parseUrl(text.slice(scheme[0].length));
  if (text.trim() === '' || /^\s*[a-z_]+\s*=/i.test(text)) return parseKeywords(text);
  throw unreadable('it is neither a postgres:// URL nor host=... dbname=...');
}

function unreadable(why: string): UsageError {
  return new UsageError('bad-dsn', `the connection URL cannot be read: ${why}`, {
    hint: "postgres://USER:PASSWORD@HOST:PORT/DATABASE, or 'host=HOST dbname=DATABASE user=USER'; characters such as @ / # in a password must be percent-encoded in a URL",
  });
}

function parseKeywords(text: string): Settings {
  const settings = new Map<string, string>();
  // A quoted value, or one without spaces; a backslash takes the next character as it is, in both.
  const pair =
    /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'(?=\s|$)|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?(?=\s|$))/suy;
  const end = text.trimEnd().length;
  while (pair.lastIndex < end) {
    const at = pair.lastIndex;
    const found = pair.exec(text);
    if (found === null)
      throw unreadable(
        `after ${text.slice(0, at).trim() === '' ? 'its beginning' : [...settings.keys()].at(-1)} there is no NAME=VALUE`,
      );
    const [, name = '', quoted, plain = ''] = found;
    checkName(name, 'in the connection string');
    settings.set(name, (quoted ?? plain).replaceAll(/\\(.)/gsu, '$1'));
  }
  return settings;
}

function parseUrl(rest: string): Settings {
  const [, authority = '', path, query] = /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? [];
  const settings = new Map<string, string>();
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') settings.set(name, value);
  };
  // libpq ends it at the first `@`; a host has none, so the last is the one, and a raw `@` in a password does no harm.
  const at = authority.lastIndexOf('@');
  if (at >= 0) {
    const login = authority.slice(0, at);
    const colon = login.indexOf(':');
    set('user', decode(colon < 0 ? login : login.slice(0, colon)));
    if (colon >= 0) set('password', decode(login.slice(colon + 1)));
  }
  const hosts = splitHosts(authority.slice(at + 1));
  if (hosts.some(({ host }) => host !== '')) settings.set('host', hosts.map(({ host }) => host).join(','));
  if (hosts.some(({ port }) => port !== '')) settings.set('port', hosts.map(({ port }) => port).join(','));
  if (path !== undefined) set('dbname', decode(path));
  for (const part of query === undefined || query === '' ? [] : query.split('&')) {
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    if (equals < 0) throw unreadable('a parameter after the ? has no value');
    const value = decode(part.slice(equals + 1));
    if (name === 'ssl') {
      // As JDBC has it; libpq takes only this value.
      if (value !== 'true') throw unreadable('ssl takes only true; what else there is, sslmode says');
      if (!settings.has('sslmode')) settings.set('sslmode', 'require');
      continue;
    }
    checkName(name, 'in the connection URL');
    settings.set(name, value);
  }
  return settings;
}

interface HostText {
  readonly host: string;
  readonly port: string;
}

function splitHosts(text: string): HostText[] {
  return text.split(',').map((each) => {
    const [whole, ipv6, name, port = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(each) ?? [];
    if (whole === undefined) throw unreadable('a host cannot be read; IPv6 addresses stand in [ ]');
    return { host: decode(ipv6 ?? name ?? ''), port: decode(port) };
  });
}

function decode(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    if (!decoded.includes('\0')) return decoded;
  } catch {
    // Told below, without the text.
  }
  throw unreadable('a % stands where no two hexadecimal digits follow');
}
