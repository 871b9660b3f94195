/**
 * One connection, to whichever of the hosts takes it: each in its order, each with and without TLS as sslmode says, until one
 * is what was asked for (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-MULTIPLE-HOSTS).
 */
import { Socket, type SocketConstructorOpts } from 'node:net';
import pg from 'pg';
import { allowedMethods, guardAuthentication, type Wire } from './authentication.js';
import type { ConnectionOptions } from './conninfo/connection-options.js';
import { describeHost, resolveTarget, type Host, type SessionAttrs, type Target } from './conninfo/target.js';
import { connectionFailed, isServerError, SqlState, UnsuitableServer, type FailedHost } from './sqlstate.js';
import { tlsAttempts, type TlsAttempt } from './tls.js';

export interface Connected {
  readonly client: pg.Client;
  /** The host, the user and the database: what a pooler has a pool for. */
  readonly place: string;
  /** Our end of it; null for a socket. */
  readonly localPort: number | null;
  /** The backend that the server named when it let us in. */
  readonly processId: number | null;
}

export interface ConnectOptions {
  readonly connection: ConnectionOptions;
  readonly types: pg.CustomTypesConfig;
  /** Said when connecting, where that is known to leave it in nobody's session (`Connected.place`). */
  readonly nameAt?: (place: string) => string | null;
  /** To a walsender of the database; it takes no parameters with its statements. */
  readonly replication?: boolean;
  readonly signal?: AbortSignal;
}

/** @throws FailedError `cannot-connect` with every host and its reason; UsageError; the signal's reason */
export async function connect(options: ConnectOptions): Promise<Connected> {
  const { connection, signal } = options;
  const target = resolveTarget(connection);
  allowedMethods(target.requireAuth);
  const attempts = target.hosts.map((host) => ({ host, tries: tlsAttempts(target, host) }));
  const failures: FailedHost[] = [];
  for (const attrs of target.attrs === 'prefer-standby' ? (['standby', 'any'] as const) : [target.attrs]) {
    for (const { host, tries } of attempts) {
      try {
        return await connectTo(options, { target, host, tries, attrs });
      } catch (error) {
        signal?.throwIfAborted();
        failures.push({ host: describeHost(host), error });
        if (isFinal(error)) throw connectionFailed(failures, connection);
      }
    }
  }
  throw connectionFailed(failures, connection);
}

/** Who was not let in does not ask the others; one that only starts up, or is not the right kind, is passed over. */
function isFinal(error: unknown): boolean {
  return isServerError(error) && error.code !== SqlState.cannotConnectNow;
}

interface Place {
  readonly target: Target;
  readonly host: Host;
  readonly tries: readonly TlsAttempt[];
  readonly attrs: SessionAttrs;
}

/**
 * Servers that have said that they speak no TLS. Who does not insist on it (`prefer`) asks them without first, or each of
 * its connections would be made twice.
 */
const withoutTls = new Set<string>();

async function connectTo(options: ConnectOptions, place: Place): Promise<Connected> {
  const { tries, host, attrs } = place;
  const server = describeHost(host);
  const inOrder = withoutTls.has(server)
    ? tries.toSorted((one, other) => Number(one.ssl !== false) - Number(other.ssl !== false))
    : tries;
  let failure: unknown;
  for (const attempt of inOrder) {
    try {
      const connected = await connectOnce(options, place, attempt);
      await refuseUnsuitable(connected.client, attrs);
      return connected;
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = error;
      if (speaksNoTls(error)) withoutTls.add(server);
      // It may have learnt it since.
      else if (attempt.ssl === false) withoutTls.delete(server);
      if (!isAboutTls(error)) break;
    }
  }
  throw failure;
}

/** pg has no code for it; the text is its own. */
function speaksNoTls(error: unknown): boolean {
  return error instanceof Error && error.message === 'The server does not support SSL connections';
}

/**
 * Worth trying the other way, with or without TLS: the handshake failed, the server does not speak it, or pg_hba.conf has no
 * line for this way. Not after a wrong password, which would then be sent unencrypted.
 */
function isAboutTls(error: unknown): boolean {
  if (isServerError(error)) return error.code === '28000';
  if (!(error instanceof Error)) return false;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined) return !unreachable.has(code);
  // pg has no codes for these; the texts are its own. What has none and is ours is final.
  return (
    speaksNoTls(error) ||
    message === 'There was an error establishing an SSL connection' ||
    message.startsWith('Connection terminated')
  );
}

/** Nobody was there to speak TLS with, or without. All other codes are those of OpenSSL and of broken connections. */
const unreachable: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'EACCES',
]);

/** Where nobody reads, what comes next is taken, and no more: otherwise all of it until a buffer is full, and each time it would wake us. */
const littleAhead = { highWaterMark: 1 };

async function connectOnce(
  { types, nameAt, replication = false, signal }: ConnectOptions,
  { target, host }: Place,
  { ssl, negotiation }: TlsAttempt,
): Promise<Connected> {
  const {
    user,
    database,
    options,
    connectTimeoutMs,
    keepAlive,
    keepAliveIdleMs,
    channelBinding,
    requireAuth,
  } = target;
  const client = new pg.Client({
    user,
    database,
    host: host.address ?? host.name,
    port: host.port,
    password: () => target.password(host),
    ssl: ssl === false || !replication ? ssl : { ...ssl, ...littleAhead },
    sslnegotiation: negotiation,
    types,
    ...(replication
      ? { replication: 'database', stream: () => new Socket(littleAhead as SocketConstructorOpts) }
      : {}),
    keepAlive,
    ...(keepAliveIdleMs === null ? {} : { keepAliveInitialDelayMillis: keepAliveIdleMs }),
    connectionTimeoutMillis: connectTimeoutMs ?? 0,
    // Asked for by nobody it would only be one more thing that can fail.
    enableChannelBinding:
      ssl !== false && target.settings.has('channel_binding') && channelBinding !== 'disable',
  } as pg.ClientConfig);
  const place = `${describeHost(host)}/${database} ${user}`;
  // pg fills these from the environment where it is given nothing.
  const own = client as unknown as {
    connectionParameters: Record<string, unknown>;
    connection: Wire & { stream: Socket };
  };
  Object.assign(own.connectionParameters, {
    options: options ?? undefined,
    application_name: nameAt?.(place) ?? undefined,
  });
  const refuseIfAsked = guardAuthentication(own.connection, { requireAuth, channelBinding });
  // Without a listener a connection that breaks while idle would end the process.
  client.on('error', () => undefined);
  const socket = own.connection.stream;
  let localPort: number | null = null;
  socket.once('connect', () => (localPort = socket.localPort ?? null));
  const breakOff = (): void => void socket.destroy(new Error('stopped'));
  signal?.addEventListener('abort', breakOff, { once: true });
  try {
    await client.connect();
    refuseIfAsked();
  } catch (error) {
    await client.end().catch(() => undefined);
    signal?.throwIfAborted();
    throw asTimeout(error, connectTimeoutMs);
  } finally {
    signal?.removeEventListener('abort', breakOff);
  }
  const { processID: processId } = client as unknown as { processID: number | null };
  return { client, localPort, processId, place };
}

/** As the kernel would say it later. */
const timedOut = 'ETIMEDOUT';

/** pg has no code for it; the text is its own. */
function asTimeout(error: unknown, timeoutMs: number | null): unknown {
  if (!(error instanceof Error) || error.message !== 'timeout expired') return error;
  return Object.assign(new Error(`no answer within ${(timeoutMs ?? 0) / 1000} s`), { code: timedOut });
}

/** @throws UnsuitableServer; the connection is closed then */
async function refuseUnsuitable(client: pg.Client, attrs: SessionAttrs): Promise<void> {
  if (attrs === 'any') return;
  try {
    const { rows } = await client.query<{ standby: boolean; readonly: boolean }>(
      `select pg_catalog.pg_is_in_recovery() as standby,
              pg_catalog.current_setting('transaction_read_only') = 'on' as readonly`,
    );
    const [{ standby, readonly } = { standby: false, readonly: false }] = rows;
    const suits: Readonly<Record<SessionAttrs, boolean>> = {
      any: true,
      'read-write': !readonly,
      'read-only': readonly,
      primary: !standby,
      standby,
      'prefer-standby': standby,
    };
    if (suits[attrs]) return;
    throw new UnsuitableServer(
      `it is ${standby ? 'a standby' : readonly ? 'a primary that is read-only' : 'a primary'}, and target_session_attrs=${attrs}`,
    );
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}
