/** Shapes made by hand, for tests without a server. */
import type {
  Column,
  Constraint,
  Grant,
  Index,
  OwnedSequence,
  TableShape,
} from '../../src/model/table-shape.js';

export function grant(grantee: string | null, privilege: string, more: Partial<Grant> = {}): Grant {
  return { grantor: 'owner', grantee, privilege, grantable: false, ...more };
}

export function column(name: string, type: string, more: Partial<Column> = {}): Column {
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
    ...more,
  };
}

export function constraint(
  name: string,
  type: Constraint['type'],
  definition: string,
  more: Partial<Constraint> = {},
) {
  return {
    oid: 0,
    name,
    type,
    definition,
    columns: [],
    validated: true,
    enforced: true,
    deferrable: false,
    initiallyDeferred: false,
    index: null,
    comment: null,
    ...more,
  } satisfies Constraint;
}

export function index(name: string, definition: string, more: Partial<Index> = {}): Index {
  return {
    oid: 0,
    name,
    definition,
    unique: false,
    primary: false,
    exclusion: false,
    immediate: true,
    nullsNotDistinct: false,
    valid: true,
    predicate: null,
    keys: [],
    included: [],
    constraint: null,
    options: [],
    tablespace: null,
    clustered: false,
    replicaIdentity: false,
    extensions: [],
    comment: null,
    filenode: 1,
    ...more,
  };
}

function sequence(name: string, column: string, more: Partial<OwnedSequence> = {}): OwnedSequence {
  return {
    oid: 0,
    name: { schema: 'app', name },
    column,
    identity: true,
    type: 'integer',
    start: '1',
    increment: '1',
    min: '1',
    max: '2147483647',
    cache: '1',
    cycle: false,
    owner: 'owner',
    grants: [],
    comment: null,
    unlogged: false,
    ...more,
  };
}

function shape(more: Partial<TableShape> = {}): TableShape {
  return {
    oid: 0,
    name: { schema: 'app', name: 'orders' },
    owner: 'owner',
    unlogged: false,
    accessMethod: 'heap',
    tablespace: null,
    options: [],
    replicaIdentity: 'default',
    grants: [],
    comment: null,
    columns: [],
    constraints: [],
    indexes: [],
    sequences: [],
    statistics: [],
    filenode: 1,
    ...more,
  };
}

/** A table with one of most things. */
export const orders = shape({
  options: ['fillfactor=70', 'toast.autovacuum_enabled=on'],
  comment: "it's",
  grants: [grant('owner', 'SELECT'), grant('owner', 'INSERT')],
  columns: [
    column('id', 'integer', { notNull: true, identity: 'always' }),
    column('Note', 'text', {
      collation: 'pg_catalog."C"',
      default: `'x'::text`,
      storage: 'MAIN',
      statisticsTarget: 50,
    }),
    column('twice', 'integer', { attnum: 3, default: '(id * 2)', generated: 'stored' }),
  ],
  constraints: [
    constraint('orders_pkey', 'primary key', 'PRIMARY KEY (id)', {
      index: 'orders_pkey',
      deferrable: true,
      initiallyDeferred: true,
      comment: 'key',
    }),
    constraint('free', 'exclusion', 'EXCLUDE USING gist ("Note" WITH =) DEFERRABLE', { index: 'free' }),
    constraint('short', 'check', 'CHECK ((length("Note") < 9)) NOT VALID', {
      validated: false,
      comment: 'later',
    }),
    constraint('positive', 'check', 'CHECK ((id > 0))'),
    constraint('self', 'foreign key', 'FOREIGN KEY (twice) REFERENCES app.orders(id)'),
  ],
  indexes: [
    index('orders_pkey', 'CREATE UNIQUE INDEX orders_pkey ON app.orders USING btree (id)', {
      unique: true,
      primary: true,
      constraint: 'orders_pkey',
      replicaIdentity: true,
    }),
    index('free', 'CREATE INDEX free ON app.orders USING gist ("Note")', {
      exclusion: true,
      constraint: 'free',
      tablespace: 'Fast',
    }),
    index('by_note', 'CREATE INDEX by_note ON app.orders USING btree (lower("Note")) WHERE (id > 0)', {
      clustered: true,
      comment: 'notes',
      tablespace: 'Fast',
      keys: [
        {
          column: null,
          expression: 'lower("Note")',
          collation: null,
          conflictOperator: null,
          statisticsTarget: 7,
        },
      ],
    }),
    index('broken', 'CREATE INDEX broken ON app.orders USING btree (id)', { valid: false }),
  ],
  sequences: [sequence('orders_id_seq', 'id'), sequence('serial', 'Note', { identity: false })],
  replicaIdentity: 'index',
});
