import { z } from 'zod';
import { captureModeNames, defaultCaptureMode } from '../../model/capture-mode.js';
import type { Refusal } from '../../errors.js';
import type { SerialFate } from '../../model/column-mapping.js';
import { dependentKinds } from '../../catalog/dependent-kinds.js';
import {
  carriedHow,
  droppedHow,
  recreatedHow,
  type DependentFate,
  type DependentKind,
  type PlannedDependent,
} from '../../model/dependent.js';
import type { Estimates } from '../../model/estimates.js';
import type { Key, KeyColumn } from '../../model/key.js';
import type { CheckedForeignKey, LateCheck } from '../../model/late-check.js';
import { lockModes } from '../../model/lock-mode.js';
import type { LockReason, LockTarget } from '../../model/lock-set.js';
import type { CopyPlan } from '../../model/plan.js';
import { changeRequest } from './change-request.js';
import { definitions, targetDefinitions } from './definitions.js';
import { listOf, maybeText, noun, qualifiedName, text, texts, whole, yes } from './noun.js';
import { projection, columnMapping } from './projection.js';
import { told } from './text.js';
import { ownedSequence, tableShape } from './table-shape.js';
import { idRooms, wayBack } from './way-back.js';

const refusal = noun<Refusal>({ code: text, message: text, hint: told.exactOptional() });

const serialFate = noun<SerialFate>({
  sequence: ownedSequence,
  column: text,
  type: maybeText,
  persistence: z.enum(['logged', 'unlogged']).nullable(),
});

const keyColumn = noun<KeyColumn>({
  name: text,
  type: text,
  collation: maybeText,
  targetName: text,
  targetType: text,
  equality: noun<NonNullable<KeyColumn['equality']>>({
    operator: text,
    collation: maybeText,
  }).exactOptional(),
});

const key = noun<Key>({
  index: text,
  columns: listOf(keyColumn),
  projection,
  needsHelperIndex: yes,
  mayCollide: yes.exactOptional(),
});

const lateCheck = noun<LateCheck>({ name: text, why: z.enum(['not immutable', 'own function']) });
const checkedForeignKey = noun<CheckedForeignKey>({ name: text, operators: texts });

const lockReason: z.ZodType<LockReason> = z.union([
  z.strictObject({ because: z.enum(['table', 'view-replaced', 'view-recreated']) }),
  z.strictObject({
    because: z.enum(['policy', 'rule', 'default', 'referencing-key', 'referenced-key']),
    name: text,
  }),
]);

const lockTarget = noun<LockTarget>({
  oid: whole,
  name: qualifiedName,
  kind: z.enum(['table', 'view']),
  role: z.enum(['table', 'view', 'referencing table', 'referenced table', 'reading table']),
  mode: z.enum(lockModes),
  reason: lockReason,
});

const fate: z.ZodType<DependentFate> = z.discriminatedUnion('treatment', [
  z.strictObject({ treatment: z.literal('carried'), how: z.enum(carriedHow) }),
  z.strictObject({ treatment: z.literal('recreated'), how: z.enum(recreatedHow) }),
  z.strictObject({ treatment: z.literal('dropped'), how: z.enum(droppedHow) }),
  z.strictObject({ treatment: z.literal('refused'), why: maybeText }),
]);

export const plannedDependent = noun<PlannedDependent>({
  kind: z.enum(Object.keys(dependentKinds) as DependentKind[]),
  catalog: text,
  oid: whole,
  name: text,
  via: noun<NonNullable<PlannedDependent['via']>>({ oid: whole, name: text }).nullable(),
  extension: maybeText,
  fate,
});

const estimates = noun<Estimates>({
  rows: z.number().nullable(),
  tableBytes: z.number(),
  indexBytes: z.number(),
  toastBytes: z.number(),
  diskNeededBytes: z.number(),
  holdMs: z.number().nullable(),
});

/** What is stored of a plan to copy: what belongs to the moment in which it was made is left out. */
export type StoredPlan = Omit<CopyPlan, 'obstacles' | 'warnings' | 'rehearsal' | 'kept' | 'canonical'>;

/** Where none is said there was no other yet. */
const storedCaptureMode = z.enum(captureModeNames).default(defaultCaptureMode);

/** That alone, of a plan of any version. */
export const planCapture = z.looseObject({ capture: storedCaptureMode });

/** That alone, of a plan that has a way back. */
export const planIds = z.looseObject({ back: z.looseObject({ ids: idRooms }) });

export const storedPlan = noun<StoredPlan>({
  verdict: z.literal('copy'),
  how: z.literal('copy'),
  table: qualifiedName,
  request: changeRequest,
  reasons: listOf(refusal),
  statements: texts,
  dependents: listOf(plannedDependent),
  settings: z.record(text, text),
  server: noun<CopyPlan['server']>({ version: whole, inRecovery: yes }),
  source: tableShape,
  target: tableShape,
  columns: listOf(columnMapping),
  key,
  projection,
  definitions: noun<CopyPlan['definitions']>({ source: definitions, target: targetDefinitions }),
  serials: listOf(serialFate),
  lateChecks: listOf(lateCheck),
  checkedForeignKeys: listOf(checkedForeignKey),
  lockSet: listOf(lockTarget),
  estimates,
  capture: storedCaptureMode,
  // Former releases planned none.
  back: wayBack.nullable().default(null),
});
