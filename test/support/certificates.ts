/**
 * X.509 certificates for tests: Node.js has keys and signatures, and no way to put them into a certificate. Only what a test
 * needs of https://datatracker.ietf.org/doc/html/rfc5280, in DER.
 */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

export interface Certificate {
  readonly name: string;
  readonly serial: number;
  readonly pem: string;
  readonly key: KeyObject;
}

let serials = 1000;

export function authority(name: string): Certificate {
  return certificate(name, { ca: true });
}

export function certificate(
  name: string,
  {
    by,
    hosts = [],
    ca = false,
  }: { readonly by?: Certificate; readonly hosts?: readonly string[]; readonly ca?: boolean } = {},
): Certificate {
  const { publicKey, privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const serial = (serials += 1);
  const extensions = [
    ...(ca ? [extension([0x55, 0x1d, 0x13], sequence(der(0x01, Buffer.from([0xff]))))] : []),
    ...(hosts.length === 0 ? [] : [extension([0x55, 0x1d, 0x11], sequence(...hosts.map(alternativeName)))]),
  ];
  const body = sequence(
    der(0xa0, integer(2)),
    integer(serial),
    ecdsaWithSha256,
    distinguished(by?.name ?? name),
    sequence(time(-86_400_000), time(86_400_000)),
    distinguished(name),
    publicKey.export({ format: 'der', type: 'spki' }),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  );
  return { name, serial, key, pem: signed('CERTIFICATE', body, by?.key ?? key) };
}

/** A list of what its authority has revoked. */
export function revocations(by: Certificate, revoked: readonly Certificate[]): string {
  const body = sequence(
    integer(1),
    ecdsaWithSha256,
    distinguished(by.name),
    time(-86_400_000),
    time(86_400_000),
    ...(revoked.length === 0
      ? []
      : [sequence(...revoked.map(({ serial }) => sequence(integer(serial), time(-3_600_000))))]),
  );
  return signed('X509 CRL', body, by.key);
}

const ecdsaWithSha256 = sequence(oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));

function signed(label: string, body: Buffer, key: KeyObject): string {
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, key)]);
  const lines = sequence(body, ecdsaWithSha256, der(0x03, signature))
    .toString('base64')
    .match(/.{1,64}/g);
  return `-----BEGIN ${label}-----\n${lines?.join('\n') ?? ''}\n-----END ${label}-----\n`;
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function oid(bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

function integer(value: number): Buffer {
  return der(0x02, Buffer.from(value < 128 ? [value] : [(value >> 8) & 0x7f, value & 0xff]));
}

function time(fromNowMs: number): Buffer {
  const text = new Date(Date.now() + fromNowMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text));
}

function distinguished(name: string): Buffer {
  return sequence(der(0x31, sequence(oid([0x55, 0x04, 0x03]), der(0x0c, Buffer.from(name)))));
}

function extension(id: readonly number[], value: Buffer): Buffer {
  return sequence(oid(id), der(0x04, value));
}

function alternativeName(host: string): Buffer {
  return isIP(host) === 4
    ? der(0x87, Buffer.from(host.split('.').map(Number)))
    : der(0x82, Buffer.from(host));
}
