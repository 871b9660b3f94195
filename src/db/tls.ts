/**
 * With which TLS, if any, a host is asked: libpq's meanings of sslmode and of the files around it
 * (https://www.postgresql.org/docs/current/libpq-ssl.html). `require` encrypts without looking at the certificate unless there
 * is a root certificate; only `verify-full` checks the host name.
 */
import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { platform } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import type { ConnectionOptions as TlsOptions, SecureVersion } from 'node:tls';
import { UsageError } from '../errors.js';
import { oneOf, type Host, type Target } from './conninfo/target.js';

export interface TlsAttempt {
  readonly ssl: TlsOptions | false;
  readonly negotiation: 'postgres' | 'direct';
}

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

/**
 * In order. `prefer`, the default, goes on without TLS where that fails, `allow` the other way round. A socket is never
 * encrypted.
 *
 * @throws UsageError `bad-sslmode`, `bad-sslrootcert`, `bad-client-certificate`, `connection-parameter`
 */
export function tlsAttempts(target: Target, host: Host): TlsAttempt[] {
  const { settings } = target;
  const system = settings.get('sslrootcert') === 'system';
  const text = settings.get('sslmode') ?? (system ? 'verify-full' : 'prefer');
  const mode = modes.find((each) => each === text);
  if (mode === undefined) {
    throw new UsageError('bad-sslmode', `unknown sslmode "${text}"`, { hint: modes.join(', ') });
  }
  if (system && mode !== 'verify-full')
    throw new UsageError('bad-sslmode', `sslmode=${mode} is too weak for sslrootcert=system`, {
      hint: 'anybody can get a certificate of a public authority: sslmode=verify-full',
    });
  const negotiation = oneOf('sslnegotiation', settings.get('sslnegotiation') ?? 'postgres', [
    'postgres',
    'direct',
  ]);
  if (negotiation === 'direct' && ['disable', 'allow', 'prefer'].includes(mode))
    throw new UsageError('bad-sslmode', `sslmode=${mode} is too weak for sslnegotiation=direct`, {
      hint: 'require, verify-ca or verify-full',
    });
  const plain: TlsAttempt = { ssl: false, negotiation: 'postgres' };
  if (mode === 'disable' || host.name.startsWith('/')) return [plain];
  const encrypted: TlsAttempt = { ssl: tlsOptions(target, host, mode), negotiation };
  switch (mode) {
    case 'allow':
      return [plain, encrypted];
    case 'prefer':
      return [encrypted, plain];
    default:
      return [encrypted];
  }
}

function tlsOptions(target: Target, host: Host, mode: (typeof modes)[number]): TlsOptions {
  const { settings, home } = target;
  const own = (name: string): string => join(home, '.postgresql', name);
  const roots = rootsOf(settings.get('sslrootcert'), own('root.crt'));
  const isStrict = mode === 'verify-ca' || mode === 'verify-full';
  if (roots === null && isStrict) {
    throw new UsageError(
      'bad-sslrootcert',
      `sslmode=${mode} needs a root certificate, and ${own('root.crt')} is not there`,
      {
        hint: 'sslrootcert=FILE, or sslrootcert=system for the public authorities',
      },
    );
  }
  const crl = roots === null ? [] : revocations(settings, own('root.crl'));
  const minVersion = versionOf('ssl_min_protocol_version', settings.get('ssl_min_protocol_version'));
  const maxVersion = versionOf('ssl_max_protocol_version', settings.get('ssl_max_protocol_version'));
  return {
    // A root certificate that is there is used, also by the modes that do not ask for it.
    rejectUnauthorized: roots !== null,
    ...roots,
    ...(crl.length === 0 ? {} : { crl }),
    ...(minVersion === null ? {} : { minVersion }),
    ...(maxVersion === null ? {} : { maxVersion }),
    ...clientCertificate(settings, own),
    ...(isIP(host.name) === 0 ? { servername: host.name } : {}),
    checkServerIdentity: (_, certificate) =>
      mode === 'verify-full' ? tls.checkServerIdentity(host.name, certificate) : undefined,
  };
}

/** Without `ca` those that Node.js brings along; null: no certificate is checked. */
function rootsOf(given: string | undefined, usual: string): Pick<TlsOptions, 'ca'> | null {
  if (given === 'system') {
    // Since Node.js 22.15.
    const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => string[] };
    return getCACertificates === undefined ? {} : { ca: getCACertificates('system') };
  }
  if (given === undefined || given === '') {
    const ca = readIfThere(usual);
    return ca === null ? null : { ca };
  }
  try {
    return { ca: readFileSync(given, 'utf8') };
  } catch (cause) {
    throw new UsageError('bad-sslrootcert', `cannot read the root certificate ${given}`, { cause });
  }
}

function revocations(settings: Target['settings'], usual: string): string[] {
  const [file, directory] = [settings.get('sslcrl'), settings.get('sslcrldir')];
  const given = [
    ...(file === undefined || file === '' ? [] : [file]),
    // The names that openssl rehash gives.
    ...(directory === undefined || directory === ''
      ? []
      : listed(directory)
          .filter((name) => /^[0-9a-f]{8}\.r\d+$/.test(name))
          .map((name) => join(directory, name))),
  ];
  if (given.length > 0) return given.map(readGiven);
  const found = readIfThere(usual);
  return found === null ? [] : [found];
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    throw new UsageError('bad-client-certificate', `cannot read ${directory}`, { cause });
  }
}

function clientCertificate(
  settings: Target['settings'],
  own: (name: string) => string,
): Pick<TlsOptions, 'cert' | 'key' | 'passphrase'> {
  if (oneOf('sslcertmode', settings.get('sslcertmode') ?? 'allow', ['disable', 'allow']) === 'disable')
    return {};
  const given = settings.get('sslcert') ?? '';
  const cert = given === '' ? readIfThere(own('postgresql.crt')) : readGiven(given);
  if (cert === null) return {};
  const path = settings.get('sslkey') || own('postgresql.key');
  if (path.startsWith('engine:')) {
    throw new UsageError('bad-client-certificate', 'sslkey: keys of an OpenSSL engine are not supported');
  }
  const passphrase = settings.get('sslpassword') ?? '';
  return { cert, key: readKey(path, passphrase), ...(passphrase === '' ? {} : { passphrase }) };
}

/** As libpq: nobody else may read it, but root's may be read by a group. PEM, or DER. */
function readKey(path: string, passphrase: string): string | Buffer {
  let key: Buffer;
  try {
    const { mode, uid } = statSync(path);
    if (platform() !== 'win32' && (mode & (uid === 0 ? 0o037 : 0o077)) !== 0) {
      throw new UsageError(
        'bad-client-certificate',
        `the private key ${path} is not used, because its group or others have access to it`,
        { hint: `chmod 0600 ${path}` },
      );
    }
    key = readFileSync(path);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError('bad-client-certificate', `cannot read the private key ${path}`, { cause });
  }
  const pem = key.includes('-----BEGIN') ? key : derKey(key, passphrase);
  try {
    createPrivateKey({ key: pem, ...(passphrase === '' ? {} : { passphrase }) });
  } catch {
    // Its own error says "bad decrypt" or "interrupted or cancelled" of the library below.
    throw new UsageError('bad-client-certificate', `the private key ${path} cannot be opened`, {
      hint:
        passphrase === ''
          ? 'sslpassword, where it is encrypted'
          : 'sslpassword does not fit, or it is no private key',
    });
  }
  return pem;
}

function derKey(key: Buffer, passphrase: string): Buffer {
  for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const) {
    try {
      const found = createPrivateKey({
        key,
        format: 'der',
        type,
        ...(passphrase === '' ? {} : { passphrase }),
      });
      return Buffer.from(found.export({ format: 'pem', type: 'pkcs8' }));
    } catch {
      // One of the others, or none: told by who opens it.
    }
  }
  return key;
}

function readGiven(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UsageError('bad-client-certificate', `cannot read ${path}`, { cause });
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function versionOf(name: string, text: string | undefined): SecureVersion | null {
  return text === undefined || text === ''
    ? null
    : oneOf(name, text, ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const);
}
