/**
 * What capture costs the application, which is `pgbench -N`, as fast as the server can and at 60 % of that: without a migration, with
 * `wal_level` as it is by default and as logical decoding needs it; with capture alone, by triggers and by logical replication; and
 * with apply beside it. Who takes the processor's time for it; how long a key takes from its commit to the log; and how many keys a
 * second come from a transaction that has written all rows.
 *
 * A migration is held where its capture is on: at its pause file, before it copies, for capture alone; at a postponed swap for both.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { cpuBetween, peakBytesOf, readCpu } from './lib/cpu.js';
import { HeldTool } from './lib/held-tool.js';
import { withClient, Lab } from './lib/lab.js';
import { seenBetween, type Seen } from './lib/load.js';
import type { Options } from './lib/options.js';
import { count, notMeasured, progress, type Line, type Result } from './lib/output.js';
import { findPgbench, pgbenchChange, pgbenchTable } from './lib/pgbench.js';
import { figure, inTurn, ratio } from './lib/statistics.js';
import { Writers } from './lib/writers.js';

const clients = 4;
const scale = 10;
const share = 0.6;
const warmUpMs = 1_000;
const measuredMs = 8_000;
/** Rows of our own, whose way to the log is measured: pgbench writes to none of them. */
const marks = 40;
const markEveryMs = 101;
/** Beyond this share of the throughput, what `wal_level=logical` costs by itself left aside, the goal is missed. */
const goal = 0.98;

type Mode = 'triggers' | 'logical';
type Held = 'capture' | 'capture and apply';

interface Condition {
  readonly name: string;
  readonly walLevel: 'replica' | 'logical';
  /** null: there is no migration. */
  readonly migration: { readonly mode: Mode; readonly held: Held } | null;
}

const conditions: readonly Condition[] = [
  { name: 'none, wal_level=replica', walLevel: 'replica', migration: null },
  { name: 'none', walLevel: 'logical', migration: null },
  ...(['capture', 'capture and apply'] as const).flatMap((held) =>
    (['triggers', 'logical'] as const).map((mode): Condition => ({
      name: `${held}, ${mode}`,
      walLevel: 'logical',
      migration: { mode, held },
    })),
  ),
];
/** What all others are compared with. */
const baseline = 'none';

interface Cell {
  readonly most: Seen;
  readonly atShare: Seen;
  /** Microseconds of processor time for each transaction, by role, at `most`. */
  readonly cpu: Readonly<Record<string, number>>;
  /** Milliseconds from commit to log entry at `atShare`; empty where there is no log. */
  readonly toLog: readonly number[];
}

export async function captureCost(lab: Lab, options: Options): Promise<Result> {
  const pgbench = findPgbench();
  if (pgbench === null) throw new Error('this benchmark needs pgbench: its load, at a given rate');
  const { kind } = await lab.facts();
  if (kind !== 'embedded')
    return notMeasured('capture-cost: not measured, it needs two servers of its own (no PG_GHOST_BENCH_URL)');
  // In both alike: it is how the way from commit to log is measured.
  const common = { track_commit_timestamp: 'on' };
  const replica = await Lab.open(options, { ...common, wal_level: 'replica' });
  const logical = await Lab.open(options, { ...common, wal_level: 'logical' });
  try {
    return await compare({ replica, logical }, pgbench, options.rounds);
  } finally {
    await replica.close();
    await logical.close();
  }
}

async function compare(
  labs: Readonly<Record<Condition['walLevel'], Lab>>,
  pgbench: string,
  rounds: number,
): Promise<Result> {
  const probe = await labs.replica.withPgbench(pgbench, scale, (url) => load(url, pgbench, null));
  const rate = Math.round(probe.seen.tps * share);
  progress(
    `  the server does ${count(Math.round(probe.seen.tps))} transactions a second; 60 % are ${count(rate)}`,
  );
  const cells = new Map(conditions.map(({ name }) => [name, [] as Cell[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const condition of inTurn(conditions, round)) {
      const cell = await labs[condition.walLevel].withPgbench(pgbench, scale, (url) =>
        measure(labs[condition.walLevel], url, { condition, pgbench, rate }),
      );
      cells.get(condition.name)?.push(cell);
      progress(`  ${condition.name}: ${Math.round(cell.most.tps)}/s ${JSON.stringify(cell.cpu)}`);
    }
  }
  const { lines, notes, data } = result(cells, rate);
  const bulk = await labs.logical.withPgbench(pgbench, scale, (url) => measureBulk(url));
  return { lines: [...lines, bulkLine(bulk)], notes, data: { ...data, bulk } };
}

interface Bulk {
  readonly keys: number;
  /** From its commit to its last key in the log. */
  readonly seconds: number;
  /** Of the process of pg-ghost; null where there is no /proc. */
  readonly peakBytes: number | null;
}

async function measureBulk(url: string): Promise<Bulk> {
  const held = await hold(url, { mode: 'logical', held: 'capture' });
  try {
    return await withClient(url, async (client) => {
      const { rowCount } = await client.query('update pgbench_accounts set abalance = abalance + 1');
      const committed = performance.now();
      // How far it has come; nobody else writes.
      const isLogged = async () =>
        (await client.query<{ done: boolean }>(`select lsn > '0/0' as done from ghost.feed_1`)).rows[0]?.done;
      while ((await isLogged()) !== true) await sleep(10);
      const seconds = (performance.now() - committed) / 1000;
      return { keys: rowCount ?? 0, seconds, peakBytes: peakBytesOf(held.pid) };
    });
  } finally {
    await held.end();
  }
}

function bulkLine({ keys, seconds, peakBytes }: Bulk): Line {
  const memory = peakBytes === null ? '' : `, ${Math.round(peakBytes / 1e6)} MB at most`;
  return {
    measure: `one transaction of ${count(keys)} rows, from its commit to the log`,
    ours: `${seconds.toFixed(1)} s, ${count(Math.round(keys / seconds))} keys/s${memory}`,
  };
}

interface Work {
  readonly condition: Condition;
  readonly pgbench: string;
  readonly rate: number;
}

async function measure(lab: Lab, url: string, { condition, pgbench, rate }: Work): Promise<Cell> {
  const held = condition.migration === null ? null : await hold(url, condition.migration);
  try {
    await lab.checkpoint();
    const most = await load(url, pgbench, null, { pid: held?.pid ?? null });
    await lab.checkpoint();
    const atShare = await load(url, pgbench, rate, { marks: held !== null });
    const toLog =
      condition.migration?.held === 'capture' ? await withClient(url, (client) => waysToLog(client)) : [];
    return { most: most.seen, cpu: most.cpu, atShare: atShare.seen, toLog };
  } finally {
    await held?.end();
  }
}

async function hold(url: string, { mode, held }: NonNullable<Condition['migration']>): Promise<HeldTool> {
  const migration = ['--table', pgbenchTable, '--alter', pgbenchChange, '--capture', mode];
  if (held === 'capture and apply') {
    return await HeldTool.start({
      url,
      args: [...migration, '--postpone-cutover'],
      isHeld: ({ event }) => event === 'cutover:postponed',
    });
  }
  const folder = mkdtempSync(join(tmpdir(), 'pg-ghost-bench-'));
  try {
    const pauseFile = join(folder, 'pause');
    writeFileSync(pauseFile, '');
    return await HeldTool.start({
      url,
      args: [...migration, '--pause-file', pauseFile],
      isHeld: ({ event, phase }) => event === 'phase:started' && phase === 'copy',
    });
  } finally {
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
}

/** @param rate transactions a second; null: as fast as they can */
async function load(
  url: string,
  pgbench: string,
  rate: number | null,
  beside: { readonly pid?: number | null; readonly marks?: boolean } = {},
): Promise<{ readonly seen: Seen; readonly cpu: Cell['cpu'] }> {
  const writers = Writers.startSimpleUpdate({
    url,
    writers: clients,
    pgbench,
    ...(rate === null ? {} : { rate }),
  });
  const others = {
    pgbench: writers.pid,
    ...(typeof beside.pid === 'number' ? { 'the process of pg-ghost': beside.pid } : {}),
  };
  return await withClient(url, async (client) => {
    await sleep(warmUpMs);
    const before = await readCpu(client, others);
    const from = Date.now();
    if (beside.marks === true) await mark(client);
    await sleep(Math.max(0, from + measuredMs - Date.now()));
    const to = Date.now();
    const after = await readCpu(client, others);
    const seen = seenBetween(await writers.stop(), from, to);
    const cpu = Object.entries(cpuBetween(before, after)).map(
      ([role, seconds]) => [role, (seconds * 1e6) / seen.transactions] as const,
    );
    return { seen, cpu: Object.fromEntries(cpu) };
  });
}

async function mark(client: pg.Client) {
  for (let row = 1; row <= marks; row += 1) {
    await client.query(`insert into pgbench_accounts (aid, bid, abalance) values ($1, 1, 0)`, [-row]);
    await sleep(markEveryMs);
  }
}

/** Milliseconds between the commits of the row and of its entry. */
async function waysToLog(client: pg.Client): Promise<number[]> {
  const { rows } = await client.query<{ ms: number }>(`
    select extract(epoch from pg_xact_commit_timestamp(l.xmin) - pg_xact_commit_timestamp(a.xmin))::float8 * 1000 as ms
    from pgbench_accounts as a
    join (select k1, xmin from ghost.log_1 union all select k1, xmin from ghost.log_b_1) as l on l.k1 = a.aid
    where a.aid < 0`);
  return rows.map(({ ms }) => ms);
}

function result(cells: ReadonlyMap<string, readonly Cell[]>, rate: number): Result {
  const none = cells.get(baseline) ?? [];
  const tpsOf = (of: readonly Cell[]) => of.map(({ most }) => most.tps);
  const lines = [...cells].map(([name, of]): Line => {
    const most = figure(tpsOf(of));
    const beside = ratio(tpsOf(of), tpsOf(none));
    return {
      measure: `pgbench -N, as fast as the server can: ${name}`,
      ours: `${count(Math.round(most.median))}/s, ${times(of, 'most')}`,
      ...(name === baseline
        ? {}
        : { ratio: `${beside.median.toFixed(2)} (${beside.min.toFixed(2)}-${beside.max.toFixed(2)})` }),
      ...(name === 'capture, logical' ? { goal: 'at least 0.98', met: beside.median >= goal } : {}),
    };
  });
  const gentle = [...cells].map(([name, of]): Line => ({
    measure: `pgbench -N at 60 %: ${name}`,
    ours: `${count(Math.round(figure(of.map(({ atShare }) => atShare.tps)).median))}/s, ${times(of, 'atShare')}`,
  }));
  const ways = [...cells].flatMap(([name, of]): Line[] => {
    const all = of.flatMap(({ toLog }) => toLog);
    if (all.length === 0 || !name.includes('logical')) return [];
    const { median } = figure(all);
    return [
      {
        measure: 'from commit to log entry at 60 %',
        ours: `p50 ${median.toFixed(0)} ms, p99 ${percentile(all, 0.99).toFixed(0)} ms`,
      },
    ];
  });
  const notes = [...cells].flatMap(([name, of]) => {
    const roles = Object.keys(of[0]?.cpu ?? {});
    if (roles.length === 0) return [];
    const parts = roles
      .map((role) => ({ role, us: figure(of.map(({ cpu }) => cpu[role] ?? 0)).median }))
      .filter(({ us }) => us >= 1)
      .map(({ role, us }) => `${role} ${us.toFixed(0)}`);
    return [`processor time, microseconds a transaction; ${name}: ${parts.join(', ')}`];
  });
  return { lines: [...lines, ...gentle, ...ways], notes, data: { rate, cells: Object.fromEntries(cells) } };
}

function times(cells: readonly Cell[], of: 'most' | 'atShare') {
  const at = (part: 'p50' | 'p99') => figure(cells.map((cell) => cell[of][part])).median;
  return `p50 ${at('p50').toFixed(2)} ms, p99 ${at('p99').toFixed(1)} ms`;
}

function percentile(values: readonly number[], part: number) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}
