/** A migration from an integer to a bigint key, as a plan: for tests of SQL as text. */
import { applyPlan, type ApplyPlan } from '../../src/apply/apply-plan.js';
import type { Column, Index, TableShape } from '../../src/model/table-shape.js';
import { waysOf } from '../../src/stream/way.js';

export function column(name: string, type: string, facts: Partial<Column> = {}): Column {
  return {
    attnum: 1,
    name,
    type,
    typeOid: 0,
    typmod: -1,
    collation: null,
    notNull: false,
    default: null,
    generated: 'none',
    identity: 'none',
    storage: 'PLAIN',
    compression: null,
    statisticsTarget: null,
    options: [],
    grants: [],
    comment: null,
    ...facts,
  };
}

export function uniqueIndex(
  name: string,
  keys: readonly Partial<Index['keys'][number]>[],
  facts: Partial<Index> = {},
): Index {
  return {
    oid: 1,
    name,
    definition: '',
    unique: true,
    primary: false,
    exclusion: false,
    immediate: true,
    nullsNotDistinct: false,
    valid: true,
    predicate: null,
    keys: keys.map((key) => ({
      column: null,
      expression: key.column ?? '',
      collation: null,
      conflictOperator: 'OPERATOR(pg_catalog.=)',
      statisticsTarget: null,
      ...key,
    })),
    included: [],
    options: [],
    constraint: name,
    tablespace: null,
    clustered: false,
    replicaIdentity: false,
    extensions: [],
    comment: null,
    filenode: null,
    ...facts,
  };
}

export function shape(columns: readonly Column[], indexes: readonly Index[]): TableShape {
  return {
    oid: 1,
    name: { schema: 'public', name: 'orders' },
    owner: 'owner',
    unlogged: false,
    accessMethod: 'heap',
    tablespace: null,
    options: [],
    replicaIdentity: 'default',
    grants: [],
    comment: null,
    columns,
    constraints: [],
    indexes,
    sequences: [],
    statistics: [],
    filenode: null,
  };
}

export function aPlan({ keyType = 'integer', conflicts = [] as readonly Index[] } = {}): ApplyPlan {
  const primary = uniqueIndex('orders_pkey', [{ column: 'id', expression: 'id' }], { primary: true });
  const target = shape([column('id', 'bigint'), column('email', 'text')], [primary, ...conflicts]);
  return applyPlan({
    id: 1,
    way: waysOf(
      {
        settings: {},
        columns: [],
        source: shape([column('id', keyType), column('email', 'text')], [primary]),
        key: {
          index: 'orders_pkey',
          columns: [{ name: 'id', type: keyType, collation: null, targetName: 'id', targetType: 'bigint' }],
          projection: { alias: 'orders', layers: [[{ name: 'id', expression: '"id"' }]] },
          needsHelperIndex: false,
        },
        projection: {
          alias: 'orders',
          layers: [
            [
              { name: 'id', expression: '"id"' },
              { name: 'email', expression: '"email"' },
            ],
          ],
        },
      },
      target,
    ).forward,
    from: { schema: 'public', name: 'orders' },
    to: { schema: 'ghost_new_1', name: 'orders' },
    log: {
      parts: [{ schema: 'ghost', name: 'log_1' }],
      pending: { schema: 'ghost', name: 'pending_1' },
      truncations: { schema: 'ghost', name: 'truncations_1' },
      columns: ['k1'],
      step: null,
      lags: false,
    },
  });
}
