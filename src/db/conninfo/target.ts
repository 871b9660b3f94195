/**
 * From what was given (a connection string, the environment, a service, files) to whom to ask, in which order, and with what.
 * A parameter of the string goes before the service's, that before the environment's, and that before the default.
 */
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../errors.js';
import type { ConnectionOptions } from './connection-options.js';
import { parseConninfo } from './conninfo-string.js';
import { environmentSettings, notices, refuseWhatCannotBe, type Settings } from './parameters.js';
import { findPassword, readPasswordFile } from './password-file.js';
import { readService } from './service-file.js';

const sessionAttrs = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;
export type SessionAttrs = (typeof sessionAttrs)[number];

export interface Host {
  /** A name, an address, or the directory of a socket: what certificates and passwords are for. */
  readonly name: string;
  /** What is connected to; no name is looked up then. */
  readonly address: string | null;
  readonly port: number;
}

export interface Target {
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly database: string;
  readonly options: string | null;
  readonly attrs: SessionAttrs;
  /** Per host; null: for as long as it takes. */
  readonly connectTimeoutMs: number | null;
  readonly keepAlive: boolean;
  readonly keepAliveIdleMs: number | null;
  readonly channelBinding: 'disable' | 'prefer' | 'require';
  readonly requireAuth: string | null;
  readonly home: string;
  /** Everything, for what TLS needs of it. */
  readonly settings: Settings;
  /** What is not done as asked. */
  readonly notices: readonly string[];
  /** Looked up when the server asks. @throws Error without one */
  readonly password: (host: Host) => string;
}

/** A host that does not answer at all would otherwise be waited for as long as the kernel likes. libpq has no default. */
const defaultConnectTimeoutMs = 30_000;

/** @throws UsageError `bad-dsn`, `bad-service`, `connection-parameter` */
export function resolveTarget({
  url,
  // As pg does by itself: a library's caller who says nothing means libpq's variables.
  // oxlint-disable-next-line no-restricted-globals
  environment = process.env,
}: ConnectionOptions): Target {
  const home = environment['HOME'] ?? homedir();
  const given = url === undefined ? new Map<string, string>() : parseConninfo(url);
  const fromEnvironment = environmentSettings(environment);
  const service = given.get('service') ?? fromEnvironment.get('service');
  const fromService =
    service === undefined
      ? new Map<string, string>()
      : readService({
          service,
          file: given.get('servicefile') ?? fromEnvironment.get('servicefile') ?? null,
          home,
          systemDirectory: environment['PGSYSCONFDIR'] ?? null,
        });
  const settings = new Map([...fromEnvironment, ...fromService, ...given]);
  if (settings.get('requiressl') === '1' && !settings.has('sslmode')) settings.set('sslmode', 'require');
  refuseWhatCannotBe(settings);
  const get = (name: string): string | null => {
    const value = settings.get(name);
    return value === undefined || value === '' ? null : value;
  };
  const user = get('user') ?? userInfo().username;
  const database = get('dbname') ?? user;
  const timeoutSeconds = whole('connect_timeout', get('connect_timeout'));
  const idleSeconds = whole('keepalives_idle', get('keepalives_idle'));
  const hosts = hostsOf(get);
  return {
    hosts:
      oneOf('load_balance_hosts', get('load_balance_hosts') ?? 'disable', ['disable', 'random']) === 'random'
        ? shuffled(hosts)
        : hosts,
    user,
    database,
    options: get('options'),
    attrs: oneOf('target_session_attrs', get('target_session_attrs') ?? 'any', sessionAttrs),
    connectTimeoutMs: timeoutOf(timeoutSeconds),
    keepAlive: get('keepalives') !== '0',
    keepAliveIdleMs: idleSeconds === null || idleSeconds <= 0 ? null : idleSeconds * 1000,
    channelBinding: oneOf('channel_binding', get('channel_binding') ?? 'prefer', [
      'disable',
      'prefer',
      'require',
    ]),
    requireAuth: get('require_auth'),
    home,
    settings,
    notices: notices(
      given.size === 0 && fromService.size === 0 ? new Map() : new Map([...fromService, ...given]),
    ),
    password: (host) =>
      get('password') ??
      passwordFromFile(get('passfile') ?? join(home, '.pgpass'), {
        host: host.name.startsWith('/') && isDefaultDirectory(host.name) ? 'localhost' : host.name,
        port: String(host.port),
        database,
        user,
      }),
  };
}

/** For messages and the state: no password in it, ever. */
export function describeTarget({ hosts, database }: Target): string {
  return `${hosts.map(describeHost).join(',')}/${database}`;
}

export function describeHost({ name, address, port }: Host): string {
  const shown = name.includes(':') ? `[${name}]` : name;
  return `${shown}:${port}${address === null || address === name ? '' : ` (${address})`}`;
}

/** As many ports and addresses as hosts, or one port for all. */
function hostsOf(get: (name: string) => string | null): Host[] {
  const names = get('host')?.split(',') ?? [];
  const addresses = get('hostaddr')?.split(',') ?? [];
  const ports = get('port')?.split(',') ?? [];
  const count = Math.max(names.length, addresses.length, 1);
  if (names.length > 0 && addresses.length > 0 && names.length !== addresses.length)
    throw bad(`there are ${names.length} hosts and ${addresses.length} values of hostaddr`);
  if (ports.length > 1 && ports.length !== count)
    throw bad(`there are ${count} hosts and ${ports.length} ports`);
  return Array.from({ length: count }, (_, index) => {
    const name = names[index]?.trim() ?? '';
    const address = addresses[index]?.trim() ?? '';
    const port = (ports.length === 1 ? ports[0] : ports[index])?.trim() ?? '';
    return {
      name: name !== '' ? name : address !== '' ? address : 'localhost',
      address: address === '' ? null : address,
      port: port === '' ? 5432 : portOf(port),
    };
  });
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw bad(`port takes a number from 1 to 65535, not "${text}"`);
  return port;
}

function timeoutOf(seconds: number | null): number | null {
  if (seconds === null) return defaultConnectTimeoutMs;
  // libpq: nothing below two seconds, and for ever by 0 or less.
  return seconds <= 0 ? null : Math.max(2, seconds) * 1000;
}

function whole(name: string, text: string | null): number | null {
  if (text === null) return null;
  if (!/^\s*[+-]?\d{1,9}\s*$/.test(text)) throw bad(`${name} takes a whole number, not "${text}"`);
  return Number(text);
}

export function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw bad(`${name} takes ${allowed.join(', ')}, not "${value}"`);
  return found;
}

function bad(message: string): UsageError {
  return new UsageError('connection-parameter', message);
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function isDefaultDirectory(directory: string): boolean {
  return ['/tmp', '/var/run/postgresql', '/run/postgresql'].includes(directory);
}

function passwordFromFile(path: string, query: Parameters<typeof findPassword>[1]): string {
  const { text, ignored } = readPasswordFile(path);
  const password = text === null ? null : findPassword(text, query);
  if (password !== null) return password;
  const why = ignored ?? `the password file ${path} has none for it`;
  throw new Error(`the server asks for a password, and none was given; ${why}`);
}
