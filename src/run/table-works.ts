/** The tables of a migration as its record has them, at the beginning of an attempt. */
import { Balance } from '../apply/balance.js';
import type { MigrationRecord } from '../state/migrations.js';
import type { TableRecord } from '../state/tables.js';
import { schemasOf } from '../state/schema-sql.js';
import { planOf } from '../state/stored-plan.js';
import { captureOf } from './capture-of.js';
import type { TableWork } from './context.js';

/** @throws FailedError `state-unreadable` */
export function tableWorks(record: MigrationRecord): [TableWork, ...TableWork[]] {
  const [first, ...others] = record.tables;
  return [tableWork(record, first), ...others.map((table) => tableWork(record, table))];
}

function tableWork(record: MigrationRecord, table: TableRecord): TableWork {
  let plan = planOf(record, table);
  return {
    no: table.no,
    get plan() {
      return plan;
    },
    replacePlan: (followed) => {
      plan = followed;
    },
    schemas: schemasOf(table),
    capture: captureOf(record, table, plan),
    balance: new Balance(),
  };
}
