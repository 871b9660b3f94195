import { z } from 'zod';
import type {
  Column,
  Constraint,
  ExtendedStatistics,
  Grant,
  Index,
  IndexKey,
  OwnedSequence,
  TableShape,
} from '../../model/table-shape.js';
import { listOf, maybeText, noun, qualifiedName, text, texts, whole, yes } from './noun.js';

export const grant = noun<Grant>({ grantor: text, grantee: maybeText, privilege: text, grantable: yes });

const column = noun<Column>({
  attnum: whole,
  name: text,
  type: text,
  typeOid: whole,
  typmod: whole,
  collation: maybeText,
  notNull: yes,
  default: maybeText,
  generated: z.enum(['none', 'stored', 'virtual']),
  identity: z.enum(['none', 'always', 'by default']),
  storage: text,
  compression: maybeText,
  statisticsTarget: whole.nullable(),
  options: texts,
  grants: listOf(grant),
  comment: maybeText,
});

const constraint = noun<Constraint>({
  oid: whole,
  name: text,
  type: z.enum(['check', 'not null', 'primary key', 'unique', 'exclusion', 'foreign key', 'trigger']),
  definition: text,
  columns: texts,
  validated: yes,
  enforced: yes,
  deferrable: yes,
  initiallyDeferred: yes,
  index: maybeText,
  comment: maybeText,
});

const indexKey = noun<IndexKey>({
  column: maybeText,
  expression: text,
  collation: maybeText,
  conflictOperator: maybeText,
  statisticsTarget: whole.nullable(),
});

export const index = noun<Index>({
  oid: whole,
  name: text,
  definition: text,
  unique: yes,
  primary: yes,
  exclusion: yes,
  immediate: yes,
  nullsNotDistinct: yes,
  valid: yes,
  predicate: maybeText,
  keys: listOf(indexKey),
  included: texts,
  constraint: maybeText,
  options: texts,
  tablespace: maybeText,
  clustered: yes,
  replicaIdentity: yes,
  comment: maybeText,
  extensions: texts,
  filenode: whole.nullable(),
});

export const ownedSequence = noun<OwnedSequence>({
  oid: whole,
  name: qualifiedName,
  column: text,
  identity: yes,
  type: text,
  start: text,
  increment: text,
  min: text,
  max: text,
  cache: text,
  cycle: yes,
  owner: text,
  grants: listOf(grant),
  comment: maybeText,
  unlogged: yes.nullable(),
  startsAt: text.exactOptional(),
});

const extendedStatistics = noun<ExtendedStatistics>({
  oid: whole,
  name: qualifiedName,
  definition: text,
  owner: text,
  target: whole.nullable(),
  comment: maybeText,
});

export const tableShape = noun<TableShape>({
  oid: whole,
  name: qualifiedName,
  owner: text,
  unlogged: yes,
  accessMethod: text,
  tablespace: maybeText,
  options: texts,
  replicaIdentity: z.enum(['default', 'nothing', 'full', 'index']),
  grants: listOf(grant),
  comment: maybeText,
  columns: listOf(column),
  constraints: listOf(constraint),
  indexes: listOf(index),
  sequences: listOf(ownedSequence),
  statistics: listOf(extendedStatistics),
  filenode: whole.nullable(),
});
