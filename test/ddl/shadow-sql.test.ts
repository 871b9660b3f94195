/** The statements as they go to the server, word for word. */
import { expect, test } from 'vitest';
import {
  autovacuumRestoreStatements,
  bareHeapStatements,
  unvalidatedConstraintStatements,
} from '../../src/ddl/bare-heap-sql.js';
import { cloneStatements } from '../../src/ddl/clone-sql.js';
import { attachStatements, indexBuilds } from '../../src/ddl/index-build-sql.js';
import { orders } from './a-shape.js';

test('the clone: heap first, then what hangs on it; no foreign key, no invalid index', () => {
  const statements = cloneStatements(orders, 'ghost_new_1');
  expect(statements.filter((statement) => !statement.startsWith('do '))).toEqual([
    'grant usage, create on schema "ghost_new_1" to "owner"',
    'create sequence "ghost_new_1"."serial" as integer start with 1 increment by 1 minvalue 1 maxvalue 2147483647 cache 1 no cycle',
    'alter sequence "ghost_new_1"."serial" owner to "owner"',
    `create table "ghost_new_1"."orders" (
  "id" integer generated always as identity (sequence name "ghost_new_1"."orders_id_seq" start with 1 increment by 1 minvalue 1 maxvalue 2147483647 cache 1 no cycle) not null,
  "Note" text collate pg_catalog."C" default 'x'::text,
  "twice" integer generated always as ((id * 2)) stored
) using "heap" with ("fillfactor" = '70', "toast"."autovacuum_enabled" = 'on')`,
    'alter table "ghost_new_1"."orders" owner to "owner"',
    'alter sequence "ghost_new_1"."serial" owned by "ghost_new_1"."orders"."Note"',
    `alter table "ghost_new_1"."orders"
  alter column "id" set storage plain,
  alter column "Note" set storage main,
  alter column "Note" set statistics 50,
  alter column "twice" set storage plain`,
    'alter table "ghost_new_1"."orders" add constraint "short" CHECK ((length("Note") < 9)) NOT VALID',
    'alter table "ghost_new_1"."orders" add constraint "positive" CHECK ((id > 0))',
    ...indexBuilds(orders, 'ghost_new_1').map(({ statement }) => statement),
    ...attachStatements(orders, 'ghost_new_1'),
    `comment on table "ghost_new_1"."orders" is 'it''s'`,
    `comment on constraint "short" on "ghost_new_1"."orders" is 'later'`,
    `select setval('"ghost_new_1"."orders_id_seq"'::regclass, last_value, true) from "app"."orders_id_seq"`,
  ]);
  expect(
    statements
      .filter((statement) => statement.startsWith('do '))
      .map((statement) => /'(revoke[^']*)'/.exec(statement)?.[1]),
  ).toEqual(['revoke all on %s from %s cascade', 'revoke all on %s from %s cascade']);
});

test('index builds', () => {
  expect(indexBuilds(orders, 'ghost_new_1')).toEqual([
    {
      name: 'orders_pkey',
      kind: 'index',
      statement: 'CREATE UNIQUE INDEX orders_pkey ON "ghost_new_1"."orders" USING btree (id)',
    },
    {
      name: 'free',
      kind: 'constraint',
      statement:
        'alter table "ghost_new_1"."orders" add constraint "free" EXCLUDE USING gist ("Note" WITH =) USING INDEX TABLESPACE "Fast" DEFERRABLE',
    },
    {
      name: 'by_note',
      kind: 'index',
      statement:
        'CREATE INDEX by_note ON "ghost_new_1"."orders" USING btree (lower("Note")) TABLESPACE "Fast" WHERE (id > 0)',
    },
  ]);
});

test('attachments: constraints, then marks; what is there already is left alone', () => {
  const marks = [
    `comment on constraint "orders_pkey" on "ghost_new_1"."orders" is 'key'`,
    'alter index "ghost_new_1"."by_note" alter column 1 set statistics 7',
    `comment on index "ghost_new_1"."by_note" is 'notes'`,
    'alter table "ghost_new_1"."orders" cluster on "by_note"',
    'alter table "ghost_new_1"."orders" replica identity using index "orders_pkey"',
  ];
  expect(attachStatements(orders, 'ghost_new_1')).toEqual([
    'alter table "ghost_new_1"."orders" add constraint "orders_pkey" primary key using index "orders_pkey" deferrable initially deferred',
    ...marks,
  ]);
  expect(attachStatements(orders, 'ghost_new_1', orders)).toEqual(marks);
});

test('the bare heap', () => {
  expect(bareHeapStatements(orders, 'ghost_new_1')).toEqual([
    'alter table "ghost_new_1"."orders" drop constraint "self"',
    'alter table "ghost_new_1"."orders" drop constraint "orders_pkey"',
    'alter table "ghost_new_1"."orders" drop constraint "free"',
    'alter table "ghost_new_1"."orders" drop constraint "short"',
    'drop index "ghost_new_1"."by_note"',
    'drop index "ghost_new_1"."broken"',
    `alter table "ghost_new_1"."orders" set ("autovacuum_enabled" = 'false', "toast"."autovacuum_enabled" = 'false')`,
  ]);
});

test('what comes back at the swap', () => {
  expect(unvalidatedConstraintStatements(orders, 'app')).toEqual([
    'alter table "app"."orders" add constraint "short" CHECK ((length("Note") < 9)) NOT VALID',
    `comment on constraint "short" on "app"."orders" is 'later'`,
  ]);
  expect(autovacuumRestoreStatements(orders, 'app')).toEqual([
    'alter table "app"."orders" reset ("autovacuum_enabled")',
    `alter table "app"."orders" set ("toast"."autovacuum_enabled" = 'on')`,
  ]);
});
