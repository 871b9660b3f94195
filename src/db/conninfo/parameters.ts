/**
 * The parameters of a connection that libpq knows (https://www.postgresql.org/docs/current/libpq-connect.html), with the
 * environment variable of each, and what becomes of it here. What cannot be done as asked is refused where it protects
 * something, and told where it is about comfort; nothing is left out without a word.
 */
import { UsageError } from '../../errors.js';

interface Parameter {
  readonly env?: string;
  /** Why this value cannot be honoured; null: it can. */
  readonly refuse?: (value: string) => string | null;
  /** What is done instead; null: it is honoured. */
  readonly tell?: (value: string) => string | null;
}

const always = (why: string) => (): string => why;
const noGss = (value: string): string | null =>
  value === 'require' ? 'GSSAPI encryption is not supported: sslmode encrypts' : null;
const isOff = (value: string): boolean => ['', '0', 'off', 'no', 'false'].includes(value.toLowerCase());
const noKernelOption = (value: string): string | null =>
  value === '0' ? null : 'Node.js cannot set it: a connection that is silent is noticed later, by keepalives';

const parameters: Readonly<Record<string, Parameter>> = {
  host: { env: 'PGHOST' },
  hostaddr: { env: 'PGHOSTADDR' },
  port: { env: 'PGPORT' },
  dbname: { env: 'PGDATABASE' },
  user: { env: 'PGUSER' },
  password: { env: 'PGPASSWORD' },
  passfile: { env: 'PGPASSFILE' },
  service: { env: 'PGSERVICE' },
  servicefile: { env: 'PGSERVICEFILE' },
  options: { env: 'PGOPTIONS' },
  connect_timeout: { env: 'PGCONNECT_TIMEOUT' },
  keepalives: {},
  keepalives_idle: {},
  keepalives_interval: { tell: noKernelOption },
  keepalives_count: { tell: noKernelOption },
  tcp_user_timeout: { tell: noKernelOption },
  target_session_attrs: { env: 'PGTARGETSESSIONATTRS' },
  load_balance_hosts: { env: 'PGLOADBALANCEHOSTS' },
  sslmode: { env: 'PGSSLMODE' },
  requiressl: { env: 'PGREQUIRESSL' },
  sslnegotiation: { env: 'PGSSLNEGOTIATION' },
  sslcert: { env: 'PGSSLCERT' },
  sslkey: { env: 'PGSSLKEY' },
  sslpassword: {},
  sslcertmode: {
    env: 'PGSSLCERTMODE',
    refuse: (value) =>
      value === 'require' ? 'Node.js cannot tell whether the server asked for the certificate' : null,
  },
  sslrootcert: { env: 'PGSSLROOTCERT' },
  sslcrl: { env: 'PGSSLCRL' },
  sslcrldir: { env: 'PGSSLCRLDIR' },
  sslsni: {
    env: 'PGSSLSNI',
    tell: (value) =>
      value === '0' ? 'the name of the server is sent all the same, unless hostaddr is given' : null,
  },
  ssl_min_protocol_version: { env: 'PGSSLMINPROTOCOLVERSION' },
  ssl_max_protocol_version: { env: 'PGSSLMAXPROTOCOLVERSION' },
  sslkeylogfile: { tell: always('keys are not logged') },
  channel_binding: { env: 'PGCHANNELBINDING' },
  require_auth: { env: 'PGREQUIREAUTH' },
  requirepeer: {
    env: 'PGREQUIREPEER',
    refuse: (value) =>
      value === '' ? null : 'Node.js cannot tell which user is at the other end of a socket',
  },
  gssencmode: { env: 'PGGSSENCMODE', refuse: noGss },
  min_protocol_version: {
    refuse: (value) => (['', '3.0'].includes(value) ? null : 'the protocol spoken here is 3.0'),
  },
  replication: {
    refuse: (value) => (isOff(value) ? null : 'a replication connection cannot change tables'),
  },
  scram_client_key: { refuse: always('a password is needed') },
  scram_server_key: { refuse: always('a password is needed') },
  oauth_issuer: { refuse: always('OAuth is not supported') },
  oauth_client_id: { refuse: always('OAuth is not supported') },
  oauth_client_secret: { refuse: always('OAuth is not supported') },
  oauth_scope: { refuse: always('OAuth is not supported') },
  // Without any effect on what is done here: our own name is shown, text is UTF-8, GSSAPI is not used.
  application_name: {},
  fallback_application_name: {},
  client_encoding: {},
  sslcompression: {},
  krbsrvname: {},
  gsslib: {},
  gssdelegation: {},
  max_protocol_version: {},
  authtype: {},
  tty: {},
  // Of pg's own URLs: to be as libpq is what is done anyway.
  uselibpqcompat: {},
};

export type Settings = ReadonlyMap<string, string>;

/** @throws UsageError `connection-parameter` for one that libpq does not know either */
export function checkName(name: string, where: string): void {
  if (Object.hasOwn(parameters, name)) return;
  throw new UsageError('connection-parameter', `${where}: there is no connection parameter "${name}"`, {
    hint: 'the names are those of https://www.postgresql.org/docs/current/libpq-connect.html',
  });
}

/** What the environment says. Empty variables count as unset: Docker and CI systems pass those. */
export function environmentSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  return new Map(
    Object.entries(parameters).flatMap(([name, { env: variable }]) => {
      const value = variable === undefined ? undefined : env[variable];
      return value === undefined || value === '' ? [] : [[name, value] as const];
    }),
  );
}

/** @throws UsageError `connection-parameter` */
export function refuseWhatCannotBe(settings: Settings): void {
  for (const [name, value] of settings) {
    const why = parameters[name]?.refuse?.(value) ?? null;
    if (why === null) continue;
    throw new UsageError(
      'connection-parameter',
      `the connection parameter ${name} cannot be honoured: ${why}`,
      {
        hint: 'leave it out, or give another value',
      },
    );
  }
}

/** What is not done as asked, for people. */
export function notices(settings: Settings): string[] {
  return [...settings].flatMap(([name, value]) => {
    const what = parameters[name]?.tell?.(value) ?? null;
    return what === null ? [] : [`the connection parameter ${name} is not honoured: ${what}`];
  });
}
