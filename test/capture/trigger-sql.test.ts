import { expect, test } from 'vitest';
import { backlogSql } from '../../src/capture/backlog.js';
import { compactStatements, segmentedLog } from '../../src/capture/key-log.js';
import { captureStatements, dropCaptureStatements } from '../../src/capture/triggers/trigger-sql.js';
import type { Key } from '../../src/model/key.js';
import { forgetTruncationsStatement } from '../../src/stream/log-sql.js';
import { sql } from '../../src/sql/quote.js';

const key: Key = {
  index: 'orders_pkey',
  columns: [
    { name: 'region', type: 'text', collation: 'pg_catalog."C"', targetName: 'region', targetType: 'text' },
    { name: 'Id', type: 'integer', collation: null, targetName: 'Id', targetType: 'bigint' },
  ],
  projection: { alias: 'orders', layers: [] },
  needsHelperIndex: false,
};
const table = { schema: 'public', name: 'orders' };

test('capture', () => {
  expect(captureStatements({ suffix: '7', table, key })).toEqual([
    ...['pending_7', 'log_7', 'log_b_7'].map(
      (name) => sql`
        create table "ghost"."${name}" ("k1" text collate pg_catalog."C", "k2" integer)
        with (autovacuum_enabled = off, vacuum_truncate = off)`,
    ),
    `create type "ghost"."key_7" as ("k1" text collate pg_catalog."C", "k2" integer)`,
    sql`
      create unique index "pending_7_key"
      on "ghost"."pending_7" ((row("k1", "k2")::"ghost"."key_7") record_image_ops)`,
    `create table "ghost"."truncations_7" (at timestamptz not null default pg_catalog.clock_timestamp())`,
    `revoke all on "ghost"."pending_7", "ghost"."log_7", "ghost"."log_b_7", "ghost"."truncations_7" from public`,
    sql`
      create function "ghost"."capture_7"() returns trigger
      language plpgsql security definer
      as '
      begin
        if tg_op operator(pg_catalog.=) ''UPDATE'' then
          insert into "ghost"."log_7" ("k1", "k2") values (new."region", new."Id");
          if row(old."region", old."Id")::pg_catalog.record operator(pg_catalog.*<>) row(new."region", new."Id")::pg_catalog.record then
            insert into "ghost"."log_7" ("k1", "k2") values (old."region", old."Id");
          end if;
        elsif tg_op operator(pg_catalog.=) ''INSERT'' then
          insert into "ghost"."log_7" ("k1", "k2") values (new."region", new."Id");
        else
          insert into "ghost"."log_7" ("k1", "k2") values (old."region", old."Id");
        end if;
        return null;
      end
      '`,
    sql`
      create function "ghost"."capture_truncate_7"() returns trigger
      language plpgsql security definer
      as '
      begin
        insert into "ghost"."truncations_7" default values;
        return null;
      end
      '`,
    `revoke all on function "ghost"."capture_7"(), "ghost"."capture_truncate_7"() from public`,
    sql`
      create trigger "ghost_capture_7"
      after insert or update or delete on "public"."orders"
      for each row execute function "ghost"."capture_7"()`,
    sql`
      create trigger "ghost_capture_truncate_7"
      after truncate on "public"."orders"
      for each statement execute function "ghost"."capture_truncate_7"()`,
    'alter table "public"."orders" enable always trigger "ghost_capture_7", enable always trigger "ghost_capture_truncate_7"',
  ]);
});

test('taking it off again', () => {
  expect(dropCaptureStatements({ suffix: '7', table })).toEqual([
    'drop trigger if exists "ghost_capture_7" on "public"."orders"',
    'drop trigger if exists "ghost_capture_truncate_7" on "public"."orders"',
    'drop function if exists "ghost"."capture_7"(), "ghost"."capture_truncate_7"()',
    'drop table if exists "ghost"."pending_7", "ghost"."log_7", "ghost"."log_b_7", "ghost"."truncations_7"',
    'drop type if exists "ghost"."key_7"',
  ]);
});

test('the log', () => {
  const [log, other, pending] = ['log_7', 'log_b_7', 'pending_7'].map((name) => ({ schema: 'ghost', name }));
  expect(segmentedLog('7', key)).toEqual({
    segments: [log, other],
    pending,
    parts: [pending, log, other],
    truncations: { schema: 'ghost', name: 'truncations_7' },
    columns: ['k1', 'k2'],
    step: null,
    lags: false,
  });
  expect(segmentedLog('7', { ...key, mayCollide: true }).step).toBe('step');
  expect(forgetTruncationsStatement(segmentedLog('7', key))).toBe('delete from only "ghost"."truncations_7"');
  expect(backlogSql('7').text).toContain('(select count(*) from only "ghost"."log_b_7")');
  expect(compactStatements(segmentedLog('7', key), { schema: 'ghost', name: 'log_7' })).toEqual([
    sql`
      insert into "ghost"."pending_7" ("k1", "k2")
      select "k1", "k2"
      from only "ghost"."log_7"
      on conflict do nothing`,
    'truncate only "ghost"."log_7"',
  ]);
});

test('where keys may collide, an entry says how many rows more there are', () => {
  const statements = captureStatements({ suffix: '7', table, key: { ...key, mayCollide: true } }).join(';\n');
  expect(statements).toMatch(/create table "ghost"."log_7" \(.*"step" smallint not null\)/);
  expect(statements).not.toMatch(/create table "ghost"."pending_7" \(.*"step"/);
  const values = [...statements.matchAll(/values \((?:new|old)[^)]*, (-?\d)\);/g)].map(([, step]) => step);
  expect(values).toEqual(['0', '0', '1', '-1']);
});
