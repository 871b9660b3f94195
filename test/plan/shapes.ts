/** Table shapes for tests of pure decisions. */
import type { TargetDefinitions } from '../../src/model/definitions.js';
import type { Column, Index, TableShape } from '../../src/model/table-shape.js';
import type { Trial, TrialStep } from '../../src/plan/trial/types.js';

export function column(attnum: number, name: string, more: Partial<Column> = {}): Column {
  return {
    attnum,
    name,
    type: 'integer',
    typeOid: 23,
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
    ...more,
  };
}

export function index(name: string, columns: readonly (string | null)[], more: Partial<Index> = {}): Index {
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
    keys: columns.map((keyColumn) => ({
      column: keyColumn,
      expression: keyColumn ?? '(1)',
      collation: null,
      conflictOperator: null,
      statisticsTarget: null,
    })),
    included: [],
    options: [],
    constraint: null,
    tablespace: null,
    clustered: false,
    replicaIdentity: false,
    extensions: [],
    comment: null,
    filenode: 1,
    ...more,
  };
}

export function shape(columns: readonly Column[], more: Partial<TableShape> = {}): TableShape {
  return {
    oid: 1,
    name: { schema: 'app', name: 'orders' },
    owner: 'app',
    unlogged: false,
    accessMethod: 'heap',
    tablespace: null,
    options: [],
    replicaIdentity: 'default',
    grants: [],
    comment: null,
    columns,
    constraints: [],
    indexes: [],
    sequences: [],
    statistics: [],
    filenode: 1,
    ...more,
  };
}

/** Nothing hangs on the table. */
export const noDefinitions: TargetDefinitions = {
  triggers: [],
  rules: [],
  rowSecurity: { enabled: false, forced: false },
  policies: [],
  publications: [],
  foreignKeysOut: [],
  foreignKeysIn: [],
  views: [],
  functions: [],
  rowTypeFunctions: [],
  policiesElsewhere: [],
  rulesElsewhere: [],
  defaultsElsewhere: [],
  securityLabels: [],
};

/** A trial whose statements led from one list of columns to the next. */
export function trialOf(moments: readonly (readonly Column[])[], more: Partial<Trial> = {}): Trial {
  const steps = moments.map((columns): TrialStep => ({
    columns: columns.map(({ attnum, name, typeOid, typmod, type }) => ({
      attnum,
      name,
      typeOid,
      typmod,
      type,
    })),
    filenode: 1,
    indexes: [],
    scans: 0,
  }));
  const [start, ...rest] = steps;
  if (start === undefined) throw new Error('no moments');
  return {
    before: shape(moments[0] ?? []),
    start,
    steps: rest,
    changed: shape(moments.at(-1) ?? []),
    after: shape(moments.at(-1) ?? []),
    added: new Map(),
    castsBack: new Set(),
    definitions: { target: noDefinitions, changed: new Set<number>(), refusals: [] },
    native: null,
    takenOff: [],
    forbidden: [],
    lateChecks: [],
    checkedForeignKeys: [],
    ...more,
  };
}
