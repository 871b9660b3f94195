/** No batch ever reads a big table from one end to the other, whatever the planner knows of it. */
import { expect, test } from 'vitest';
import {
  applySettings,
  deleteRowsSql,
  drainStatements,
  insertRowsSql,
  wholeLog,
} from '../../src/apply/apply-sql.js';
import { clearHoldersSql } from '../../src/apply/conflict-sql.js';
import { blocksRange } from '../../src/pieces/row-range.js';
import type { SqlQuery } from '../../src/sql/quote.js';
import { SmallMigration, type SmallMigrationOptions } from './small-migration.js';

const rows = 5_000;
const primaryKey = 'alter table ghost_new_1.t add primary key (id)';

const tables: [string, SmallMigrationOptions][] = [
  [
    'bigint from int, with expression, partial and exclusion',
    {
      source: 'id int primary key, n int, v text',
      shadow: 'id bigint, n int, v text',
      indexes: [
        primaryKey,
        'create unique index lower_key on ghost_new_1.t (lower(v))',
        'create unique index n_key on ghost_new_1.t (n) where n > 0',
        `alter table ghost_new_1.t add exclude using gist (int4range(n, n, '[]') with &&)`,
      ],
      seed: `insert into public.t select i, i, 'v' || i from generate_series(1, ${rows}) as i`,
    },
  ],
  [
    'composite, text in a collation',
    {
      source: 'a text collate "C", b int, v text, primary key (a, b)',
      shadow: 'a text collate "POSIX", b bigint, v text',
      indexes: ['alter table ghost_new_1.t add primary key (b, a)'],
      seed: `insert into public.t select 'a' || i, i, 'v' from generate_series(1, ${rows}) as i`,
    },
  ],
  [
    'uuid to text',
    {
      source: 'id uuid primary key, v text',
      shadow: 'id text, v text',
      seed: `insert into public.t select md5(i::text)::uuid, 'v' from generate_series(1, ${rows}) as i`,
    },
  ],
  [
    'citext in another schema',
    {
      before: 'create schema ext; create extension citext schema ext',
      source: 'id ext.citext primary key, v text',
      seed: `insert into public.t select 'a' || i, 'v' from generate_series(1, ${rows}) as i`,
    },
  ],
  [
    'numeric to text: keys are looked at twice',
    {
      source: 'id numeric primary key, v text',
      shadow: 'id text, v text',
      seed: `insert into public.t select i, 'v' from generate_series(1, ${rows}) as i`,
    },
  ],
];

test.each(tables)('%s', async (_, options) => {
  await using m = await SmallMigration.ready(options);
  await m.write('alter table public.t set (autovacuum_enabled = off)');
  const plan = await m.applyPlan();
  const part = { table: { schema: 'ghost', name: 'log_1' }, range: blocksRange(0, 10) };
  const queries: SqlQuery[] = [
    deleteRowsSql(plan, part),
    insertRowsSql(plan, part),
    deleteRowsSql(plan, wholeLog),
    insertRowsSql(plan, wholeLog),
    ...plan.conflicts.map((index) => clearHoldersSql(plan, index, part)),
  ];
  for (const state of ['never analyzed', 'a wrong idea of the keys in the log']) {
    if (state !== 'never analyzed') {
      await m.write(`update public.t set v = v || 'x'`);
      await m.session.execute('analyze ghost.log_1');
    }
    for (const query of queries) expect([state, await bigScans(m, query)]).toEqual([state, []]);
  }
  expect(await scannedByDrain(m)).toEqual([]);
});

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Schema?: string;
  readonly 'Index Cond'?: string;
  readonly 'Recheck Cond'?: string;
  readonly Plans?: readonly PlanNode[];
}

/** Nodes that read source or shadow other than by index condition or by position. */
async function bigScans(m: SmallMigration, query: SqlQuery): Promise<string[]> {
  return await m.session.transaction(
    async () => {
      const [row] = await m.session.rows<{ 'QUERY PLAN': { Plan: PlanNode }[] }>({
        ...query,
        text: `explain (format json, verbose) ${query.text}`,
      });
      return nodes(row?.['QUERY PLAN'][0]?.Plan).filter(isBigScan).map(describe);
    },
    { settings: applySettings },
  );
}

function nodes(node: PlanNode | undefined): PlanNode[] {
  return node === undefined ? [] : [node, ...(node.Plans ?? []).flatMap(nodes)];
}

function isBigScan(node: PlanNode): boolean {
  if (node['Relation Name'] !== 't' || !node['Node Type'].endsWith('Scan')) return false;
  const byIndex = node['Index Cond'] !== undefined || node['Recheck Cond'] !== undefined;
  return node['Node Type'] !== 'Tid Scan' && !byIndex;
}

function describe(node: PlanNode): string {
  return `${node['Node Type']} on ${node.Schema}.${node['Relation Name']}`;
}

/** What the server has counted: rows read by sequential scans of source and shadow in a drain. */
async function scannedByDrain(m: SmallMigration): Promise<unknown[]> {
  const plan = await m.readyToDrain();
  return await m.session.transaction(async () => {
    const before = await scans(m);
    await m.session.batch(drainStatements(plan));
    return (await scans(m)).filter((each, index) => each !== before[index]);
  });
}

async function scans(m: SmallMigration): Promise<string[]> {
  const counted = await m.session.rows<{ scans: string }>(`
    select relid::regclass || ': ' || seq_scan as scans
    from pg_stat_xact_user_tables
    where relname = 't'
    order by relid`);
  return counted.map((row) => row.scans);
}
