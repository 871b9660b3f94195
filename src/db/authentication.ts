/** `require_auth` and `channel_binding`: what the server may ask of us. Looked at before anything is answered to it. */
import type { EventEmitter } from 'node:events';
import { UsageError } from '../errors.js';

const methods = ['password', 'md5', 'gss', 'sspi', 'scram-sha-256', 'oauth', 'none'] as const;
type Method = (typeof methods)[number];

/** pg's own connection; its events are the messages of the protocol. */
export interface Wire extends EventEmitter {
  readonly stream: { destroy(error: Error): unknown };
}

/** @throws UsageError `connection-parameter` */
export function allowedMethods(text: string | null): (method: Method) => boolean {
  if (text === null) return () => true;
  const named = text.split(',').map((each) => each.trim());
  const negative = named.filter((each) => each.startsWith('!'));
  const bare = named.map((each) => each.replace(/^!/, ''));
  const unknown = bare.find((each) => !(methods as readonly string[]).includes(each));
  if (unknown !== undefined || (negative.length > 0 && negative.length < named.length)) {
    throw new UsageError('connection-parameter', `require_auth cannot be read: "${text}"`, {
      hint: `a list of ${methods.join(', ')}; or of what it must not be, each with a !`,
    });
  }
  const allowed = (method: Method): boolean => bare.includes(method) === (negative.length === 0);
  if (!(['password', 'md5', 'scram-sha-256', 'none'] as const).some(allowed)) {
    throw new UsageError(
      'connection-parameter',
      `require_auth=${text} cannot be honoured: only passwords are supported`,
    );
  }
  return allowed;
}

/**
 * To be called before pg listens: whoever is first hears the message first.
 *
 * @returns throws what it was refused for, also where the server let us in before the connection was broken off
 */
export function guardAuthentication(
  wire: Wire,
  { requireAuth, channelBinding }: { readonly requireAuth: string | null; readonly channelBinding: string },
): () => void {
  const allowed = allowedMethods(requireAuth);
  let asked: Method = 'none';
  let bound = false;
  const ask = (method: Method): void => {
    asked = method;
    if (!allowed(method))
      refuse(`the server asks for ${method}, which require_auth=${requireAuth ?? ''} does not allow`);
  };
  let refused: Error | null = null;
  const refuse = (why: string): void => {
    refused ??= new Error(why);
    wire.stream.destroy(refused);
  };
  wire.on('authenticationCleartextPassword', () => ask('password'));
  wire.on('authenticationMD5Password', () => ask('md5'));
  wire.on('authenticationSASL', ({ mechanisms }: { readonly mechanisms: readonly string[] }) => {
    bound = mechanisms.includes('SCRAM-SHA-256-PLUS');
    if (channelBinding === 'require' && !bound)
      refuse('channel_binding=require, and the server does not offer it');
    else ask('scram-sha-256');
  });
  wire.on('authenticationOk', () => {
    if (channelBinding === 'require' && !bound)
      refuse('channel_binding=require, and the server did not ask for a password by it');
    else if (asked === 'none') ask('none');
  });
  return () => {
    if (refused !== null) throw refused;
  };
}
