/** A plan as for the demo's change, for renderers. */
import type { WayBack } from '../../src/model/way-back.js';
import type { ForeignKey } from '../../src/model/definitions.js';
import type { CopyPlan, NativePlan } from '../../src/model/plan.js';
import type { PlannedDependent } from '../../src/model/dependent.js';
import { column, index, noDefinitions, shape } from '../plan/shapes.js';

const source = shape(
  [column(1, 'id'), column(2, 'total', { type: 'numeric(10,2)' }), column(3, 'note', { type: 'text' })],
  { name: { schema: 'public', name: 'orders' }, oid: 100 },
);

const openOrders: PlannedDependent = {
  kind: 'view',
  catalog: 'pg_class',
  oid: 200,
  name: 'view public.open_orders',
  via: null,
  extension: null,
  fate: { treatment: 'recreated', how: 'view-replaced' },
};

const keepsAll: WayBack = {
  verdict: 'keeps',
  way: {
    projection: { alias: 'orders', layers: [[{ name: 'id', expression: '"id"' }]] },
    columns: [],
    keyProjection: { alias: 'orders', layers: [[{ name: 'id', expression: '"id"' }]] },
    keyIndex: 'orders_pkey',
  },
  loses: [],
  needs: [],
  against: [],
  sampled: [],
  isTried: false,
  ids: [],
  narrower: [],
};

export const aPlan: CopyPlan = {
  verdict: 'copy',
  how: 'copy',
  table: { schema: 'public', name: 'orders' },
  request: {
    table: 'orders',
    alter: ['ALTER COLUMN id TYPE bigint'],
    statements: [],
    set: [],
    rewrite: false,
  },
  reasons: [
    { code: 'rewrites', message: 'changing the type of id from integer to bigint rewrites the table' },
  ],
  statements: ['alter table orders alter column id type bigint'],
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
    columns: [{ name: 'id', type: 'integer', collation: null, targetName: 'id', targetType: 'bigint' }],
    projection: { alias: 'orders', layers: [] },
    needsHelperIndex: false,
  },
  projection: { alias: 'orders', layers: [] },
  source,
  target: {
    ...source,
    indexes: [index('orders_pkey', ['id']), index('orders_customer_id_idx', ['customer_id'])],
  },
  definitions: { source: noDefinitions, target: noDefinitions },
  serials: [],
  lateChecks: [],
  checkedForeignKeys: [],
  back: keepsAll,
  capture: 'triggers',
  lockSet: [
    {
      oid: 200,
      name: { schema: 'public', name: 'open_orders' },
      kind: 'view',
      role: 'view',
      mode: 'ACCESS EXCLUSIVE',
      reason: { because: 'view-replaced' },
    },
    {
      oid: 100,
      name: { schema: 'public', name: 'orders' },
      kind: 'table',
      role: 'table',
      mode: 'ACCESS EXCLUSIVE',
      reason: { because: 'table' },
    },
  ],
  dependents: [openOrders],
  obstacles: [
    {
      pid: 4711,
      backendType: 'client backend',
      user: 'app',
      application: 'psql',
      state: 'idle in transaction',
      transactionSeconds: 32,
      lockModes: ['ACCESS SHARE'],
    },
    {
      pid: 0,
      backendType: 'prepared transaction',
      user: 'app',
      application: 'order 7',
      state: null,
      transactionSeconds: null,
      lockModes: [],
    },
  ],
  warnings: [{ code: 'identity', facts: { columns: ['id'] } }],
  estimates: {
    rows: 3_000_000,
    tableBytes: 612_368_384,
    indexBytes: 251_658_240,
    toastBytes: 8192,
    diskNeededBytes: 864_026_624,
    holdMs: 4,
  },
  settings: {},
  server: { version: 180_004, inRecovery: false },
};

/** The same table, and a change of its catalog only. */
export const aNativePlan: NativePlan = {
  verdict: 'native',
  how: 'native',
  table: aPlan.table,
  request: aPlan.request,
  reasons: [],
  statements: ['ALTER TABLE public.orders ADD COLUMN x integer'],
  source,
  columns: [],
  key: null,
  statementLocks: [{ mode: 'ACCESS EXCLUSIVE', actions: ['ADD COLUMN x integer'] }],
  around: null,
  lockSet: [],
  dependents: [],
  obstacles: [],
  warnings: [],
  estimates: {
    rows: null,
    tableBytes: 8192,
    indexBytes: 0,
    toastBytes: 0,
    diskNeededBytes: 0,
    holdMs: null,
  },
  settings: {},
  server: { version: 180_004, inRecovery: false },
};

function childKey(name: string, oid: number): ForeignKey {
  return {
    oid,
    name: 'fk',
    tableOid: 1000 + oid,
    table: { schema: 'public', name },
    tableOwner: 'app',
    partitioned: false,
    columns: ['order_id'],
    columnTypes: ['integer'],
    columnCollations: [null],
    tableUnlogged: false,
    referencesOid: source.oid,
    references: source.name,
    referencesPartitioned: false,
    referencedColumns: ['id'],
    referencedTypes: ['integer'],
    referencedCollations: [null],
    referencesUnlogged: false,
    period: false,
    match: 'simple',
    onUpdate: 'no action',
    onDelete: 'no action',
    setColumns: [],
    deferrable: false,
    initiallyDeferred: false,
    validated: true,
    enforced: true,
    comment: null,
    disabled: false,
  };
}

/** With that many tables that reference this one. */
export function crowded(size: number): CopyPlan {
  const nameOf = (position: number): string => `child_${String(position).padStart(5, '0')}`.padEnd(63, 'x');
  const keys = Array.from({ length: size }, (_, position) => childKey(nameOf(position), position));
  return {
    ...aPlan,
    source: {
      ...source,
      sequences: [
        {
          oid: 300,
          name: { schema: 'public', name: 'orders_id_seq' },
          column: 'id',
          identity: false,
          type: 'integer',
          start: '1',
          increment: '1',
          min: '1',
          max: '2147483647',
          cache: '1',
          cycle: false,
          owner: 'app',
          grants: [],
          comment: null,
          unlogged: false,
        },
      ],
    },
    definitions: { source: noDefinitions, target: { ...noDefinitions, foreignKeysIn: keys } },
    lockSet: [
      ...keys.map(({ tableOid, table }) => ({
        oid: tableOid,
        name: table,
        kind: 'table' as const,
        role: 'referencing table' as const,
        mode: 'ACCESS EXCLUSIVE' as const,
        reason: { because: 'referencing-key' as const, name: 'fk' },
      })),
      ...aPlan.lockSet.filter(({ role }) => role === 'table'),
    ],
    dependents: keys.map(({ oid, table }) => ({
      kind: 'foreign-key-in',
      catalog: 'pg_constraint',
      oid,
      name: `constraint fk on table public.${table.name}`,
      via: null,
      extension: null,
      fate: { treatment: 'recreated', how: 'foreign-key-validated' },
    })),
    warnings: [
      {
        code: 'referencing-types',
        facts: {
          columns: keys.map(({ table }) => ({
            table,
            column: 'order_id',
            type: 'integer',
            references: 'bigint',
          })),
        },
      },
    ],
  };
}
