/** What makes each layout of the state from the one before it. Statements of former layouts stay as they were made. */
import { sql } from '../sql/quote.js';
import {
  closeTablesSql,
  commentStateStatement,
  createTable,
  openTablesIndexSql,
  tableKeys,
} from './layout.js';

export interface Upgrade {
  /** The layout that it makes. */
  readonly number: number;
  /** A migration of the layout before it cannot go on in this one: nothing is done while one is under way. */
  readonly isBreaking: boolean;
  /** After each of them what event triggers have added to the tables comes off again: see `stateKeysSql`. */
  readonly stages: readonly (readonly string[])[];
}

/** Of a row `m` of a former layout: where its new table is now, by its name. */
const newTableOidSql = sql`(
      select new.oid
      from pg_class as new
      join pg_namespace as home on home.oid = new.relnamespace
      where home.nspname = m.schema_name and new.relname = m.table_name
    )`;

/** Its old table (`old`), when it is swapped and the table is still in our schema. */
const oldTableSql = sql`
      from pg_class as old
      join pg_namespace as n on n.oid = old.relnamespace
      where m.phase = 'swapped'
        and old.oid = m.source_oid
        and n.nspname = 'ghost_old_' || m.id
        and obj_description(n.oid, 'pg_namespace') = 'pg-ghost'`;

const upgrades: readonly Upgrade[] = [
  {
    number: 2,
    isBreaking: true,
    stages: [
      [
        sql`
          alter table ghost.migrations
            add column run_no integer not null default 0,
            add column run_owner text,
            add column server jsonb,
            add column active_segment smallint not null default 0,
            add column verification jsonb,
            add column swap_xid text,
            add column swap_snapshot text`,
        createTable('progress'),
        createTable('commands'),
        createTable('locks'),
        ...closeTablesSql,
      ],
      [...tableKeys('progress'), ...tableKeys('commands'), ...tableKeys('locks')],
    ],
  },
  {
    number: 3,
    isBreaking: true,
    stages: [
      [
        sql`
          alter table ghost.migrations
            add column identity uuid not null default gen_random_uuid(),
            add column shadow_oid oid,
            add column shadow_schema_oid oid,
            add column old_schema_oid oid`,
      ],
      [
        // What is kept of swapped ones is recognised by the OID of the old table in it, the last time by names.
        sql`
          update ghost.migrations as m
          set old_schema_oid = old.relnamespace, shadow_oid = ${newTableOidSql}
          ${oldTableSql}`,
        // And gets the marks that it would have now.
        sql`
          do $marks$
          declare
            statement text;
          begin
            for statement in
              with
              kept as (
                select m.id, m.identity, m.old_schema_oid from ghost.migrations as m where m.old_schema_oid is not null
              ),
              ours (what, name, role, id, identity) as (
                select 'schema', format('%I', n.nspname), 'old table', kept.id, kept.identity
                from kept join pg_namespace as n on n.oid = kept.old_schema_oid
                union all
                select 'schema', format('%I', n.nspname), 'shadow', kept.id, kept.identity
                from kept join pg_namespace as n on n.nspname = 'ghost_new_' || kept.id
                where obj_description(n.oid, 'pg_namespace') = 'pg-ghost'
                union all
                select 'table', format('ghost.%I', c.relname), 'change log', kept.id, kept.identity
                from kept
                join pg_class as c on c.relname in ('log_' || kept.id, 'log_b_' || kept.id, 'pending_' || kept.id, 'truncations_' || kept.id)
                where c.relnamespace = 'ghost'::regnamespace and c.relkind = 'r'
                union all
                select 'type', format('ghost.%I', t.typname), 'change log', kept.id, kept.identity
                from kept join pg_type as t on t.typname = 'key_' || kept.id
                where t.typnamespace = 'ghost'::regnamespace
                union all
                select 'function', format('ghost.%I()', p.proname), 'capture', kept.id, kept.identity
                from kept join pg_proc as p on p.proname in ('capture_' || kept.id, 'capture_truncate_' || kept.id)
                where p.pronamespace = 'ghost'::regnamespace
              )
              select format('comment on %s %s is %L', what, name, format('pg-ghost: migration %s, %s, %s', id, role, identity))
              from ours
            loop
              execute statement;
            end loop;
          end
          $marks$`,
      ],
    ],
  },
  {
    number: 4,
    isBreaking: true,
    stages: [
      [createTable('tables'), openTablesIndexSql, createTable('events'), ...closeTablesSql],
      [
        sql`
          insert into ghost.tables (
            migration_id, no, is_open, schema_name, table_name, source_oid, shadow_oid, shadow_schema_oid, old_schema_oid,
            plan, target, fingerprint, filenode, capture, active_segment, blocks_total, rows_copied, verification
          )
          select id, 1, false, schema_name, table_name, source_oid, shadow_oid, shadow_schema_oid, old_schema_oid,
            plan, target, fingerprint, filenode, capture, active_segment, blocks_total,
            rows_copied + (select coalesce(sum(rows), 0) from ghost.chunks where migration_id = m.id), verification
          from ghost.migrations as m`,
        `delete from ghost.chunks`,
        sql`
          alter table ghost.migrations
            drop column schema_name,
            drop column table_name,
            drop column source_oid,
            drop column plan,
            drop column target,
            drop column fingerprint,
            drop column filenode,
            drop column capture,
            drop column blocks_total,
            drop column rows_copied,
            drop column active_segment,
            drop column verification,
            drop column shadow_oid,
            drop column shadow_schema_oid,
            drop column old_schema_oid`,
        sql`
          alter table ghost.chunks
            drop constraint chunks_pkey,
            drop constraint chunks_migration_id_fkey,
            add column table_no smallint not null,
            add column unit integer not null,
            add primary key (migration_id, table_no, unit, from_block)`,
      ],
      [...tableKeys('tables'), ...tableKeys('chunks'), ...tableKeys('events')],
    ],
  },
  {
    number: 5,
    // What was begun before has no way back, and goes on without one.
    isBreaking: false,
    stages: [[createTable('windows'), ...closeTablesSql], tableKeys('windows')],
  },
];

/** What the third layout would record of a row `m` of one before it, as JSON: for whoever reads it as it is. */
export const oidsOfFormerLayoutSql = sql`coalesce((
      select jsonb_build_object('old_schema_oid', old.relnamespace, 'shadow_oid', ${newTableOidSql})
      ${oldTableSql}
    ), '{}')`;

/** In their order. */
export function upgradesFrom(layout: number): Upgrade[] {
  return upgrades
    .filter(({ number }) => number > layout)
    .map((upgrade) => ({ ...upgrade, stages: [...upgrade.stages, [commentStateStatement(upgrade.number)]] }));
}
