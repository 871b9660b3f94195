import { z } from 'zod';
import type {
  DefaultElsewhere,
  Definitions,
  ForeignKey,
  NamedObject,
  Policy,
  PublicationMember,
  RowSecurity,
  RowTypeFunction,
  Rule,
  SecurityLabel,
  SqlFunction,
  TargetDefinitions,
  TargetView,
  Trigger,
  View,
  ViewColumn,
} from '../../model/definitions.js';
import { listOf, maybeText, noun, qualifiedName, text, texts, whole, yes } from './noun.js';
import { grant, index } from './table-shape.js';

const firing = z.enum(['origin', 'always', 'replica', 'disabled']);

const trigger = noun<Trigger>({
  oid: whole,
  name: text,
  table: qualifiedName,
  definition: text,
  enabled: firing,
  comment: maybeText,
});

const rule = noun<Rule>({
  oid: whole,
  name: text,
  tableOid: whole,
  table: qualifiedName,
  definition: text,
  enabled: firing,
  comment: maybeText,
});

const policy = noun<Policy>({
  oid: whole,
  name: text,
  tableOid: whole,
  table: qualifiedName,
  permissive: yes,
  command: z.enum(['all', 'select', 'insert', 'update', 'delete']),
  roles: listOf(maybeText),
  using: maybeText,
  check: maybeText,
  comment: maybeText,
});

const rowSecurity = noun<RowSecurity>({ enabled: yes, forced: yes });

const publicationMember = noun<PublicationMember>({
  oid: whole,
  publication: text,
  owner: text,
  columns: texts.nullable(),
  filter: maybeText,
});

const foreignKeyAction = z.enum(['no action', 'restrict', 'cascade', 'set null', 'set default']);

const foreignKey = noun<ForeignKey>({
  oid: whole,
  name: text,
  tableOid: whole,
  table: qualifiedName,
  tableOwner: text,
  partitioned: yes,
  columns: texts,
  columnTypes: texts,
  columnCollations: listOf(maybeText),
  tableUnlogged: yes,
  referencesOid: whole,
  references: qualifiedName,
  referencesPartitioned: yes,
  referencedColumns: texts,
  referencedTypes: texts,
  referencedCollations: listOf(maybeText),
  referencesUnlogged: yes,
  period: yes,
  match: z.enum(['simple', 'full']),
  onUpdate: foreignKeyAction,
  onDelete: foreignKeyAction,
  setColumns: texts,
  deferrable: yes,
  initiallyDeferred: yes,
  validated: yes,
  enforced: yes,
  comment: maybeText,
  disabled: yes,
});

const viewColumn = noun<ViewColumn>({
  name: text,
  type: text,
  collation: maybeText,
  default: maybeText,
  comment: maybeText,
  grants: listOf(grant),
  statisticsTarget: whole.nullable(),
});

const namedObject = noun<NamedObject>({ catalog: text, oid: whole, part: whole, name: text });

const viewParts = {
  oid: whole,
  name: qualifiedName,
  materialized: yes,
  temporary: yes,
  definition: text,
  owner: text,
  options: texts,
  grants: listOf(grant),
  comment: maybeText,
  columns: listOf(viewColumn),
  triggers: listOf(trigger),
  rules: listOf(rule),
  reads: listOf(whole),
  users: listOf(namedObject),
  populated: yes,
  accessMethod: maybeText,
  tablespace: maybeText,
  indexes: listOf(index),
};

const view = noun<View>(viewParts);
const targetView = noun<TargetView>({ ...viewParts, how: z.enum(['replace', 'recreate']) });

const functionParts = {
  oid: whole,
  name: qualifiedName,
  kind: z.enum(['function', 'procedure']),
  signature: text,
  owner: text,
  definition: text,
};

const sqlFunction = noun<SqlFunction>(functionParts);

const functionLabel = noun<RowTypeFunction['labels'][number]>({ provider: text, label: text });

const rowTypeFunction = noun<RowTypeFunction>({
  ...functionParts,
  hasSqlBody: yes,
  takesRow: yes,
  grants: listOf(grant).nullable(),
  comment: maybeText,
  extensions: texts,
  labels: listOf(functionLabel),
  views: listOf(whole),
  ownParts: listOf(namedObject),
  users: listOf(namedObject),
});

const defaultElsewhere = noun<DefaultElsewhere>({
  oid: whole,
  name: text,
  tableOid: whole,
  table: qualifiedName,
  expression: text,
});

const securityLabel = noun<SecurityLabel>({ provider: text, column: maybeText, label: text });

const parts = {
  triggers: listOf(trigger),
  rules: listOf(rule),
  rowSecurity,
  policies: listOf(policy),
  publications: listOf(publicationMember),
  foreignKeysOut: listOf(foreignKey),
  foreignKeysIn: listOf(foreignKey),
  functions: listOf(sqlFunction),
  rowTypeFunctions: listOf(rowTypeFunction),
  policiesElsewhere: listOf(policy),
  rulesElsewhere: listOf(rule),
  defaultsElsewhere: listOf(defaultElsewhere),
  securityLabels: listOf(securityLabel),
};

export const definitions = noun<Definitions>({ ...parts, views: listOf(view) });
export const targetDefinitions = noun<TargetDefinitions>({ ...parts, views: listOf(targetView) });
