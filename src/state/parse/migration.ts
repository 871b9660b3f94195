import { z } from 'zod';
import type { StoredError, StoredVerification } from '../stored-json.js';
import type { ServerIdentity } from '../server-identity.js';
import { figure, looseNoun, text, whole } from './noun.js';
import { told } from './text.js';

export const storedError = looseNoun<StoredError>({ code: text, message: text, hint: told.nullable() });

export const storedVerification = looseNoun<StoredVerification>({
  mode: z.enum(['full', 'sample', 'off']),
  rows: figure,
  differences: figure,
  at: text.refine((at) => !Number.isNaN(Date.parse(at)), 'no time'),
});

export const serverIdentity = looseNoun<ServerIdentity>({
  systemIdentifier: text,
  timeline: whole,
  databaseOid: whole.exactOptional(),
});
