/** Each builder by the exact statements that it gives. */
import { describe, expect, test } from 'vitest';
import type { ForeignKey, Policy, Rule, SqlFunction, Trigger, View } from '../../src/model/definitions.js';
import {
  addForeignKey,
  dropForeignKey,
  foreignKeyDefinition,
  validateForeignKey,
} from '../../src/ddl/foreign-key-sql.js';
import { stubFunction } from '../../src/ddl/function-sql.js';
import { addToPublication, dropFromPublication } from '../../src/ddl/publication-sql.js';
import { relocateFunction } from '../../src/ddl/relocate-function.js';
import { alterPolicy, createPolicy, rowSecurityStatements } from '../../src/ddl/row-security-sql.js';
import { createRule, replaceRule } from '../../src/ddl/rule-sql.js';
import { securityLabelStatements } from '../../src/ddl/security-label-sql.js';
import { createStatistics, moveStatistics } from '../../src/ddl/statistics-sql.js';
import { createTrigger } from '../../src/ddl/trigger-sql.js';
import { createView, dropView, replaceView } from '../../src/ddl/view-sql.js';

const table = { schema: 'app', name: 'Orders' };

describe('triggers and rules', () => {
  const trigger: Trigger = {
    oid: 1,
    name: 'T',
    table,
    definition: 'CREATE TRIGGER "T" ...',
    enabled: 'origin',
    comment: null,
  };
  const rule: Rule = {
    ...trigger,
    tableOid: 2,
    name: 'r',
    definition: 'CREATE RULE r AS ON INSERT TO app."Orders" DO NOTHING',
  };

  test('as they are made', () => {
    expect(createTrigger(trigger)).toEqual(['CREATE TRIGGER "T" ...']);
    expect(createRule(rule)).toEqual([rule.definition]);
  });

  test('with their state and comment', () => {
    expect(createTrigger({ ...trigger, enabled: 'disabled', comment: "it's off" })).toEqual([
      'CREATE TRIGGER "T" ...',
      'alter table "app"."Orders" disable trigger "T"',
      `comment on trigger "T" on "app"."Orders" is 'it''s off'`,
    ]);
    expect(createRule({ ...rule, enabled: 'replica' })).toEqual([
      rule.definition,
      'alter table "app"."Orders" enable replica rule "r"',
    ]);
  });

  test('a rule of another table is replaced', () => {
    expect(replaceRule(rule)).toBe('CREATE OR REPLACE RULE r AS ON INSERT TO app."Orders" DO NOTHING');
  });
});

describe('row level security', () => {
  const policy: Policy = {
    oid: 1,
    name: 'Own rows',
    tableOid: 2,
    table,
    permissive: false,
    command: 'update',
    roles: [null, 'reader'],
    using: '(a > 1)',
    check: '(b > 1)',
    comment: null,
  };

  test('policies', () => {
    expect(createPolicy(policy)).toEqual([
      'create policy "Own rows" on "app"."Orders" as restrictive for update to public, "reader" using ((a > 1)) with check ((b > 1))',
    ]);
    expect(alterPolicy({ ...policy, check: null })).toBe(
      'alter policy "Own rows" on "app"."Orders" using ((a > 1))',
    );
  });

  test('flags', () => {
    expect(rowSecurityStatements(table, { enabled: false, forced: false })).toEqual([]);
    expect(rowSecurityStatements(table, { enabled: true, forced: true })).toEqual([
      'alter table "app"."Orders" enable row level security',
      'alter table "app"."Orders" force row level security',
    ]);
  });
});

describe('foreign keys', () => {
  const key: ForeignKey = {
    oid: 1,
    name: 'fk',
    tableOid: 2,
    table,
    tableOwner: 'o',
    partitioned: false,
    columns: ['a', 'B'],
    columnTypes: ['integer', 'integer'],
    referencesOid: 3,
    references: { schema: 'app', name: 'people' },
    referencesPartitioned: false,
    referencedColumns: ['x', 'y'],
    referencedTypes: ['integer', 'integer'],
    columnCollations: [null, null],
    referencedCollations: [null, null],
    tableUnlogged: false,
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

  test('the plain one', () => {
    expect(addForeignKey(key)).toEqual([
      'alter table "app"."Orders" add constraint "fk" foreign key ("a", "B") references "app"."people" ("x", "y") not valid',
    ]);
    expect(dropForeignKey(key)).toBe('alter table "app"."Orders" drop constraint "fk"');
    expect(validateForeignKey(key)).toBe('alter table "app"."Orders" validate constraint "fk"');
  });

  test('with every property', () => {
    const all: ForeignKey = {
      ...key,
      match: 'full',
      onUpdate: 'cascade',
      onDelete: 'set null',
      setColumns: ['B'],
      deferrable: true,
      initiallyDeferred: true,
    };
    expect(foreignKeyDefinition(all, { notValid: false })).toBe(
      'foreign key ("a", "B") references "app"."people" ("x", "y") match full on update cascade on delete set null ("B") deferrable initially deferred',
    );
  });

  test('not enforced, and with a period', () => {
    expect(
      foreignKeyDefinition({ ...key, enforced: false, validated: false, period: true }, { notValid: true }),
    ).toBe('foreign key ("a", period "B") references "app"."people" ("x", period "y") not enforced');
  });
});

test('publications', () => {
  const member = { oid: 1, publication: 'Pub', owner: 'o', columns: ['a', 'b'], filter: '(a > 1)' };
  expect(addToPublication(member, table)).toBe(
    'alter publication "Pub" add table "app"."Orders" ("a", "b") where ((a > 1))',
  );
  expect(dropFromPublication(member, table)).toBe('alter publication "Pub" drop table "app"."Orders"');
});

test('extended statistics, beside the table that they are made on', () => {
  const statistics = {
    oid: 1,
    name: { schema: 'other', name: 'Both' },
    definition: 'CREATE STATISTICS other."Both" (ndistinct) ON a, lower(b) FROM app."Orders"',
    owner: 'o',
    target: 7,
    comment: 'c',
  };
  expect(
    createStatistics(statistics, [{ from: table, to: { schema: 'ghost_new_1', name: 'Orders' } }], {
      schema: 'ghost_new_1',
      name: 'Orders',
    }),
  ).toEqual([
    'CREATE STATISTICS "ghost_new_1"."Both" (ndistinct) ON a, lower(b) FROM "ghost_new_1"."Orders"',
    'alter statistics "ghost_new_1"."Both" owner to "o"',
    'alter statistics "ghost_new_1"."Both" set statistics 7',
    `comment on statistics "ghost_new_1"."Both" is 'c'`,
  ]);
  expect(moveStatistics(statistics.name, 'ghost_old_1')).toBe(
    'alter statistics "other"."Both" set schema "ghost_old_1"',
  );
});

test('security labels', () => {
  expect(
    securityLabelStatements(table, [
      { provider: 'p', column: null, label: 'l' },
      { provider: 'p', column: 'a', label: 'm' },
    ]),
  ).toEqual([
    `security label for "p" on table "app"."Orders" is 'l'`,
    `security label for "p" on column "app"."Orders"."a" is 'm'`,
  ]);
});

describe('views', () => {
  const column = {
    type: 'integer',
    collation: null,
    default: null,
    comment: null,
    grants: [],
    statisticsTarget: null,
  };
  const view: View = {
    oid: 1,
    name: { schema: 'app', name: 'v' },
    materialized: false,
    temporary: false,
    definition: ' SELECT 1 AS a, 2 AS b',
    owner: 'o',
    options: ['security_barrier=true', 'check_option=local'],
    grants: [],
    comment: 'c',
    columns: [
      { ...column, name: 'a', default: '5', comment: 'first' },
      { ...column, name: 'B' },
    ],
    triggers: [],
    rules: [],
    reads: [],
    users: [],
    populated: true,
    accessMethod: null,
    tablespace: null,
    indexes: [],
  };

  test('replaced', () => {
    expect(replaceView(view)).toBe(
      `create or replace view "app"."v" ("a", "B") with ("security_barrier" = 'true', "check_option" = 'local') as\n SELECT 1 AS a, 2 AS b`,
    );
  });

  test('made again', () => {
    expect(createView(view).slice(1, 5)).toEqual([
      'alter view "app"."v" owner to "o"',
      'alter view "app"."v" alter column "a" set default 5',
      `comment on view "app"."v" is 'c'`,
      `comment on column "app"."v"."a" is 'first'`,
    ]);
  });

  test('materialized', () => {
    const materialized = {
      ...view,
      materialized: true,
      options: [],
      accessMethod: 'heap',
      tablespace: 'fast',
    };
    expect(createView(materialized)[0]).toBe(
      'create materialized view "app"."v" ("a", "B") using "heap" tablespace "fast" as\n SELECT 1 AS a, 2 AS b\nwith no data',
    );
    expect(dropView(materialized)).toBe('drop materialized view "app"."v"');
  });
});

describe('functions', () => {
  const fn: SqlFunction = {
    oid: 1,
    name: { schema: 'app', name: 'f' },
    kind: 'function',
    signature: 'app.f(integer)',
    owner: 'o',
    definition: `CREATE OR REPLACE FUNCTION app.f("return" integer DEFAULT 1)\n RETURNS integer\n LANGUAGE sql\nRETURN (SELECT 1)`,
  };

  test('without its body it depends on nothing', () => {
    expect(stubFunction(fn)).toBe(
      `CREATE OR REPLACE FUNCTION app.f("return" integer DEFAULT 1)\n RETURNS integer\n LANGUAGE sql\nAS ''`,
    );
    const atomic = fn.definition.replace('RETURN (SELECT 1)', 'BEGIN ATOMIC\n SELECT 1;\nEND');
    expect(stubFunction({ ...fn, definition: atomic })).toBe(stubFunction(fn));
    expect(() =>
      stubFunction({ ...fn, definition: `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'` }),
    ).toThrow('no SQL body');
  });

  test('under another name', () => {
    expect(relocateFunction(fn, { schema: 'S', name: 'f' }).definition).toMatch(
      /^CREATE OR REPLACE FUNCTION "S"\."f"\("return"/,
    );
  });
});
