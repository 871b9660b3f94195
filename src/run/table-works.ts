/** The tables of a migration as its record has them, at the beginning of an attempt. */
import { Balance } from '../apply/balance.js';
import type { MigrationRecord } from '../state/migrations.js';
import { schemasOf } from '../state/schema-sql.js';
import { planOf } from '../state/stored-plan.js';
import { captureOf } from './capture-of.js';
import type { TableWork } from './context.js';

/** @throws FailedError `state-unreadable` */
export function tableWorks(record: MigrationRecord): [TableWork, ...TableWork[]] {
  return [tableWork(record)];
}

function tableWork(record: MigrationRecord): TableWork {
  let plan = planOf(record);
  return {
    no: 1,
    get plan() {
      return plan;
    },
    replacePlan: (followed) => {
      plan = followed;
    },
    schemas: schemasOf(record.id),
    capture: captureOf(record, plan),
    balance: new Balance(),
  };
}
