/** Statements and actions that a new table of the same name and owner cannot stand for, each refused by its name. */
import type { AlterTableType, Node } from 'libpg-query';
import type { Refusal } from '../../errors.js';
import { byteSlice, tokens } from '../../sql/tokens.js';

type Reason = readonly [code: string, hint: string];

const runItYourself = 'it is metadata only: run it by itself, before or after';
const owner: Reason = ['owner-change', runItYourself];
const trigger: Reason = ['trigger-change', runItYourself];
const rule: Reason = ['rule-change', runItYourself];
const rowSecurity: Reason = ['row-security-change', runItYourself];
const sequenceByAlter =
  'run it by itself, before or after; for an identity column write ALTER COLUMN ... RESTART, SET INCREMENT BY and the like';
const inheritance: Reason = [
  'inheritance-change',
  'tables with parents or children cannot be migrated in this release',
];
const partition: Reason = [
  'partition-change',
  'migrate a table that is not partitioned, and attach it afterwards',
];
const foreignTable: Reason = ['foreign-table-change', 'the rows of a foreign table are elsewhere'];

const actions: Partial<Record<AlterTableType, Reason>> = {
  AT_ChangeOwner: owner,
  AT_EnableTrig: trigger,
  AT_EnableAlwaysTrig: trigger,
  AT_EnableReplicaTrig: trigger,
  AT_DisableTrig: trigger,
  AT_EnableTrigAll: trigger,
  AT_DisableTrigAll: trigger,
  AT_EnableTrigUser: trigger,
  AT_DisableTrigUser: trigger,
  AT_EnableRule: rule,
  AT_EnableAlwaysRule: rule,
  AT_EnableReplicaRule: rule,
  AT_DisableRule: rule,
  AT_EnableRowSecurity: rowSecurity,
  AT_DisableRowSecurity: rowSecurity,
  AT_ForceRowSecurity: rowSecurity,
  AT_NoForceRowSecurity: rowSecurity,
  AT_AddInherit: inheritance,
  AT_DropInherit: inheritance,
  AT_AddOf: ['typed-table-change', runItYourself],
  AT_DropOf: ['typed-table-change', runItYourself],
  AT_AttachPartition: partition,
  AT_DetachPartition: partition,
  AT_DetachPartitionFinalize: partition,
  AT_GenericOptions: foreignTable,
  AT_AlterColumnGenericOptions: foreignTable,
};

/** @param label the action as the user wrote it */
export function unsupportedAction(subtype: AlterTableType, label: string): Refusal {
  const [code, hint] = actions[subtype] ?? ['unsupported-action', 'run it by itself, before or after'];
  return { code, message: `${label}: not a change that pg-ghost makes`, hint };
}

const statements: Readonly<Record<string, Reason>> = {
  AlterSeqStmt: ['sequence-change', sequenceByAlter],
  CreateSeqStmt: ['sequence-change', 'create it by itself before'],
  AlterObjectSchemaStmt: ['set-schema', runItYourself],
  AlterOwnerStmt: owner,
  CreateTrigStmt: trigger,
  AlterObjectDependsStmt: ['extension-change', runItYourself],
  RuleStmt: rule,
  CreatePolicyStmt: rowSecurity,
  AlterPolicyStmt: rowSecurity,
  GrantStmt: ['grant-change', runItYourself],
  CreateStatsStmt: ['statistics-change', 'create extended statistics by itself afterwards'],
  TransactionStmt: [
    'transaction-control',
    'leave BEGIN and COMMIT out: the change is one transaction anyway',
  ],
  VariableSetStmt: [
    'setting-change',
    'give the role or the database the setting: it is recorded for the migration',
  ],
  InsertStmt: ['data-change', 'use --set COLUMN=EXPRESSION for values, or run it by itself'],
  UpdateStmt: ['data-change', 'use --set COLUMN=EXPRESSION'],
  DeleteStmt: ['data-change', 'run it by itself, before or after'],
  MergeStmt: ['data-change', 'run it by itself, before or after'],
  TruncateStmt: ['data-change', 'run it by itself, before or after'],
  CopyStmt: ['data-change', 'run it by itself, before or after'],
  VacuumStmt: ['maintenance', 'use --rewrite to rebuild the table'],
  ClusterStmt: ['maintenance', 'use --rewrite to rebuild the table'],
  ReindexStmt: ['maintenance', 'use --rewrite to rebuild the table and its indexes, or REINDEX CONCURRENTLY'],
};

/** A statement of a kind that is not about the shape of a table. */
export function unsupportedStatement(text: string, tree: Node): Refusal {
  const [kind] = Object.keys(tree);
  const [code, hint] = statements[kind ?? ''] ?? [
    'unsupported-statement',
    'only ALTER TABLE, RENAME COLUMN and CONSTRAINT, CREATE/ALTER/DROP INDEX and COMMENT ON the one table',
  ];
  return { code, message: `${statementName(text)}: not a change of one table's shape`, hint };
}

export const renameTable = (label: string): Refusal => ({
  code: 'rename-table',
  message: `${label}: renaming the table is not supported`,
  hint: 'rename it by itself, before or after: it is metadata only',
});

/** The leading keywords: `CREATE TABLE`, `INSERT INTO`, `SELECT`. */
function statementName(text: string): string {
  const all = tokens(text);
  const end = all.findIndex((token) => !token.isKeyword);
  return all
    .slice(0, Math.min(end < 0 ? all.length : end, 2))
    .map((token) => byteSlice(text, token.start, token.end).toUpperCase())
    .join(' ');
}
