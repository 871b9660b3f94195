/**
 * What the rollback window costs: how much longer the swap holds its lock with what begins it, side by side; what collecting costs the
 * application's transactions afterwards, beside no migration; and how the log grows where nobody reads it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate } from '../src/index.js';
import { toolSwap } from './cutover-hold.js';
import { cpuBetween, readCpu } from './lib/cpu.js';
import { withClient, type Lab } from './lib/lab.js';
import { seenBetween } from './lib/load.js';
import type { Options } from './lib/options.js';
import { count, milliseconds, notMeasured, progress, type Line, type Result } from './lib/output.js';
import { findPgbench, pgbenchChange, pgbenchTable } from './lib/pgbench.js';
import { figure, inTurn, type Figure } from './lib/statistics.js';
import { Writers } from './lib/writers.js';

const calmMs = 500;
const goalMs = 2;
const clients = 4;
const scale = 10;
const warmUpMs = 1_000;
const measuredMs = 8_000;
/** Rows that are written over and over again. */
const hotRows = 1_000;
const hotRounds = 100;

const windows = ['with', 'without'] as const;
const conditions = ['none', 'collecting'] as const;
type Condition = (typeof conditions)[number];

interface Cost {
  readonly tps: number;
  /** Microseconds of processor time of the application's backends for each transaction. */
  readonly cpu: number;
}

export async function rollbackWindow(lab: Lab, options: Options): Promise<Result> {
  const hold = await measureHold(lab, options);
  const pgbench = findPgbench();
  if (pgbench === null) {
    const { notes } = notMeasured(
      'rollback-window: what collecting costs was not measured, it needs pgbench',
    );
    return { lines: holdLines(hold, options), notes, data: { hold } };
  }
  const cost = await measureCost(lab, pgbench, options.rounds);
  const log = await lab.withPgbench(pgbench, scale, measureLog);
  const cpuOf = (condition: Condition): Figure => figure(cost[condition].map(({ cpu }) => cpu));
  const lines: Line[] = [
    ...holdLines(hold, options),
    {
      measure: 'processor time of a backend for each transaction of pgbench -N, collecting',
      ours: `${Math.round(cpuOf('collecting').median)} us`,
      beside: `no migration ${Math.round(cpuOf('none').median)} us`,
      ratio: (cpuOf('collecting').median / cpuOf('none').median).toFixed(2),
    },
    {
      measure: `log after ${count(hotRows * hotRounds)} writes of ${count(hotRows)} rows, nobody reading it`,
      ours: `${count(log.entries)} entries, ${Math.round(log.bytes / 1024)} kB`,
    },
  ];
  return { lines, notes: [], data: { hold, cost, log } };
}

type Holds = Readonly<Record<(typeof windows)[number], Figure>>;

async function measureHold(lab: Lab, { swaps, swapRows, writers }: Options): Promise<Holds> {
  const pgbench = findPgbench();
  const seen = { with: [] as number[], without: [] as number[] };
  await lab.withTable(swapRows, async (url) => {
    await lab.checkpoint();
    const application = Writers.start({ url, writers, rows: swapRows, pgbench });
    try {
      for (let swap = 0; swap < swaps; swap += 1) {
        for (const window of inTurn(windows, swap)) {
          await sleep(calmMs);
          const { holdMs } = await toolSwap(url, { withoutRollbackWindow: window === 'without' });
          seen[window].push(holdMs);
        }
        progress(
          `  ${windows.map((window) => `${window} ${seen[window].at(-1)?.toFixed(1)} ms`).join(', ')}`,
        );
      }
    } finally {
      await application.stop().catch(() => undefined);
    }
  });
  return { with: figure(seen.with), without: figure(seen.without) };
}

function holdLines(hold: Holds, { writers }: Options): Line[] {
  const more = hold.with.median - hold.without.median;
  return [
    {
      measure: `hold of the swap with a rollback window, ${writers} writers`,
      ours: milliseconds(hold.with),
      beside: `without ${milliseconds(hold.without)}`,
      goal: `at most ${goalMs} ms more`,
      met: more <= goalMs,
    },
  ];
}

async function measureCost(lab: Lab, pgbench: string, rounds: number): Promise<Record<Condition, Cost[]>> {
  const cost: Record<Condition, Cost[]> = { none: [], collecting: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const condition of inTurn(conditions, round)) {
      const seen = await lab.withPgbench(pgbench, scale, async (url) => {
        if (condition === 'collecting') await swapPgbench(url);
        return await load(url, pgbench);
      });
      cost[condition].push(seen);
      progress(`  ${condition}: ${Math.round(seen.tps)}/s, ${Math.round(seen.cpu)} us`);
    }
  }
  return cost;
}

async function swapPgbench(url: string): Promise<void> {
  await migrate({
    connection: { url },
    request: { table: pgbenchTable, alter: [pgbenchChange], statements: [], set: [], rewrite: false },
  });
}

async function load(url: string, pgbench: string): Promise<Cost> {
  const writers = Writers.startSimpleUpdate({ url, writers: clients, pgbench });
  return await withClient(url, async (client) => {
    await sleep(warmUpMs);
    const before = await readCpu(client);
    const from = Date.now();
    await sleep(measuredMs);
    const to = Date.now();
    const after = await readCpu(client);
    const { tps, transactions } = seenBetween(await writers.stop(), from, to);
    const seconds = cpuBetween(before, after)["the application's backends"] ?? Number.NaN;
    return { tps, cpu: (seconds * 1e6) / transactions };
  });
}

async function measureLog(url: string): Promise<{ readonly entries: number; readonly bytes: number }> {
  await swapPgbench(url);
  return await withClient(url, async (client) => {
    for (let round = 0; round < hotRounds; round += 1)
      await client.query(`update pgbench_accounts set abalance = abalance + 1 where aid <= ${hotRows}`);
    const { rows } = await client.query<{ entries: number; bytes: number }>(`
      select
        (select count(*)::int from ghost.log_1_back) as entries,
        (pg_total_relation_size('ghost.log_1_back') + pg_total_relation_size('ghost.log_b_1_back')
          + pg_total_relation_size('ghost.pending_1_back'))::int as bytes`);
    return rows[0] ?? { entries: 0, bytes: 0 };
  });
}
