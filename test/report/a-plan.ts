/** A plan as for the demo's change, for renderers. */
import type { Plan } from '../../src/plan/types.js';

export const aPlan: Plan = {
  table: { schema: 'public', name: 'orders' },
  request: {
    table: 'orders',
    alter: ['ALTER COLUMN id TYPE bigint'],
    statements: [],
    set: [],
    rewrite: false,
  },
  verdict: 'copy',
  reasons: [
    { code: 'rewrites', message: 'changing the type of id from integer to bigint rewrites the table' },
  ],
  nativeStatements: ['alter table orders alter column id type bigint'],
  columns: [
    {
      target: 'id',
      targetType: 'bigint',
      source: 'id',
      sourceType: 'integer',
      how: 'converted',
      expression: null,
    },
    {
      target: 'total',
      targetType: 'numeric(10,2)',
      source: 'total',
      sourceType: 'numeric(10,2)',
      how: 'copied',
      expression: null,
    },
    {
      target: 'note',
      targetType: 'text',
      source: 'note',
      sourceType: 'text',
      how: 'copied',
      expression: null,
    },
    {
      target: 'sum',
      targetType: 'numeric',
      source: null,
      sourceType: null,
      how: 'computed',
      expression: 'total * 2',
    },
    {
      target: 'state',
      targetType: 'text',
      source: null,
      sourceType: null,
      how: 'default',
      expression: "'new'",
    },
    {
      target: null,
      targetType: null,
      source: 'legacy',
      sourceType: 'text',
      how: 'dropped',
      expression: null,
    },
  ],
  key: {
    index: 'orders_pkey',
    columns: [],
    projection: { alias: 'orders', layers: [] },
    needsHelperIndex: false,
  },
  projection: null,
  source: null,
  target: null,
  steps: [
    { phase: 'prepare', what: 'create the change log and the triggers' },
    { phase: 'copy', what: 'copy all rows in chunks' },
    { phase: 'cutover', what: 'swap the tables' },
  ],
  locks: [
    {
      phase: 'prepare',
      table: 'public.orders',
      mode: 'SHARE ROW EXCLUSIVE',
      why: 'create the triggers',
      blocks: 'writes',
      duration: 'a few ms',
    },
    {
      phase: 'cutover',
      table: 'public.orders',
      mode: 'ACCESS EXCLUSIVE',
      why: 'the swap',
      blocks: 'reads and writes',
      duration: 'a few ms',
    },
  ],
  dependents: [
    { kind: 'index', name: 'public.orders_pkey', treatment: 'carried', why: 'built on the shadow' },
    {
      kind: 'index',
      name: 'public.orders_customer_id_idx',
      treatment: 'carried',
      why: 'built on the shadow',
    },
    { kind: 'comment', name: '2 comments', treatment: 'carried', why: 'on the shadow' },
    {
      kind: 'view',
      name: 'public.open_orders',
      treatment: 'recreated',
      why: 'it binds to the old table',
    },
  ],
  obstacles: [
    {
      pid: 4711,
      backendType: 'client backend',
      user: 'app',
      application: 'psql',
      state: 'idle in transaction',
      transactionSeconds: 32,
      lockModes: ['AccessShareLock'],
    },
  ],
  warnings: [
    {
      code: 'prepared-statements',
      message:
        'prepared SELECT * fails once with 0A000: this is a longer text that does not fit into the width of the terminal',
    },
  ],
  estimates: {
    rows: 3_000_000,
    tableBytes: 612_368_384,
    indexBytes: 251_658_240,
    toastBytes: 8192,
    diskNeededBytes: 864_026_624,
  },
  rollback: ['before the swap: pg-ghost abort', 'after it: the old table is kept until pg-ghost finalize'],
  settings: {},
  server: { version: 180_004, inRecovery: false },
};
