import { z } from 'zod';
import { lockModes } from '../../model/lock-mode.js';
import type { LockEntry } from '../stored-json.js';
import { figure, looseNoun, text, whole } from './noun.js';

export const lockEntry = looseNoun<LockEntry>({
  what: text,
  attempt: whole,
  oid: whole,
  table: text,
  mode: z.enum(lockModes),
  waitedMs: figure,
  heldMs: figure,
  blocked: figure,
  blockedMs: figure,
  outcome: z.enum(['committed', 'rolled back', 'missed']),
});
