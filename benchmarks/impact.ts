/**
 * What a migration costs the application, which is `pgbench -N`: at about 60 % of what the server can do, without a migration,
 * with capture alone, while a migration runs unthrottled, and while one runs gently; what the cutover alone costs, over many
 * migrations; and what capture costs an application that does as much as the server can.
 */
import type pg from 'pg';
import { captureStatements } from '../src/capture/triggers/trigger-sql.js';
import { withClient, type Lab } from './lib/lab.js';
import type { Options } from './lib/options.js';
import { loadLine, seenBetween, type Seen } from './lib/load.js';
import { count, progress, type Result } from './lib/output.js';
import { findPgbench, pgbenchChange, pgbenchTable } from './lib/pgbench.js';
import { figure, inTurn, ratio } from './lib/statistics.js';
import { runTool } from './lib/tool.js';
import { longest, Writers, type Transaction } from './lib/writers.js';

const clients = 4;
const probeMs = 8_000;
const quietMs = 10_000;
const share = 0.6;
const captureRounds = 8;
const captureScale = 10;
const migration = ['--table', pgbenchTable, '--alter', pgbenchChange];
const gently = ['--workers', '1', '--nice', '2', '--chunk-time', '100'];

/** What goes on beside the application. */
type Beside = (url: string) => Promise<unknown>;

const conditions: Readonly<Record<'alone' | 'capture alone' | 'unthrottled' | 'gently', Beside>> = {
  alone: () => pause(quietMs),
  'capture alone': async (url) => {
    await withClient(url, switchCaptureOn);
    await pause(quietMs);
  },
  unthrottled: (url) => runTool(url, migration),
  gently: (url) => runTool(url, [...migration, ...gently]),
};

export async function impact(lab: Lab, { rows, swaps, swapRows }: Options): Promise<Result> {
  const pgbench = findPgbench();
  if (pgbench === null) throw new Error('this benchmark needs pgbench: its load, at a given rate');
  const most = await lab.withPgbench(pgbench, scaleOf(rows), (url) => mostPerSecond(url, pgbench));
  const rate = Math.round(most * share);
  progress(`  the server does ${count(Math.round(most))} transactions a second; the load is ${count(rate)}`);
  const seen: Record<string, Seen> = {};
  for (const [name, beside] of Object.entries(conditions)) {
    await lab.checkpoint();
    const now = await lab.withPgbench(pgbench, scaleOf(rows), (url) => load(url, pgbench, rate, beside));
    seen[name] = now;
    progress(`  ${name}: ${loadLine(now)}`);
  }
  const stalls: number[] = [];
  for (let swap = 0; swap < swaps; swap += 1) {
    await lab.checkpoint();
    stalls.push(
      await lab.withPgbench(pgbench, scaleOf(swapRows), (url) => stallOfCutover(url, pgbench, rate)),
    );
    progress(`  cutover ${swap + 1}: longest transaction ${stalls.at(-1)?.toFixed(1)} ms`);
  }
  const stall = figure(stalls);
  const capture = await captureCost(lab, pgbench);
  const alone = seen['alone'] as Seen;
  return {
    lines: [
      ...Object.entries(seen)
        .filter(([name]) => name !== 'alone')
        .map(([name, now]) => ({
          measure: `pgbench -N at 60 %, ${name.startsWith('capture') ? name : `a migration ${name}`}`,
          ours: loadLine(now),
          beside: `alone ${loadLine(alone)}`,
          ratio: `${(now.tps / alone.tps).toFixed(2)} of the transactions`,
        })),
      {
        measure: `longest transaction around the cutover, ${swaps} migrations`,
        ours: `${stall.median.toFixed(1)} ms (p95 ${stall.p95.toFixed(1)}, max ${stall.max.toFixed(1)})`,
        goal: 'median below 50 ms',
        met: stall.median < 50,
      },
      {
        measure: 'throughput of pgbench -N with capture on, as fast as the server can',
        ours: `${count(Math.round(capture.on.median))} transactions/s`,
        beside: `without ${count(Math.round(capture.off.median))}`,
        ratio: `${capture.ratio.median.toFixed(2)} (${capture.ratio.min.toFixed(2)}-${capture.ratio.max.toFixed(2)})`,
        goal: 'at least 0.90',
        met: capture.ratio.median >= 0.9,
      },
    ],
    notes: ['no transaction of the application failed: pgbench would have ended with an error'],
    data: { rate, most, seen, stalls: stall, capture },
  };
}

function scaleOf(rows: number) {
  return Math.max(1, Math.round(rows / 100_000));
}

async function mostPerSecond(url: string, pgbench: string) {
  const writers = Writers.startSimpleUpdate({ url, writers: clients, pgbench });
  await pause(probeMs);
  return perSecond(await writers.stop());
}

async function load(url: string, pgbench: string, rate: number, beside: Beside): Promise<Seen> {
  const writers = Writers.startSimpleUpdate({ url, writers: clients, pgbench, rate });
  await pause(1_000);
  const from = Date.now();
  await beside(url);
  const to = Date.now();
  return seenBetween(await writers.stop(), from, to);
}

async function stallOfCutover(url: string, pgbench: string, rate: number) {
  const writers = Writers.startSimpleUpdate({ url, writers: clients, pgbench, rate });
  await pause(500);
  const run = await runTool(url, migration);
  const transactions = await writers.stop();
  if (run.cutover === null) throw new Error('the run told nothing of its cutover');
  return longest(transactions, run.cutover.from, run.cutover.to);
}

async function captureCost(lab: Lab, pgbench: string) {
  const rates: Record<'on' | 'off', number[]> = { on: [], off: [] };
  for (let round = 0; round < captureRounds; round += 1) {
    for (const how of inTurn(['off', 'on'] as const, round)) {
      await lab.checkpoint();
      rates[how].push(
        await lab.withPgbench(pgbench, captureScale, async (url) => {
          if (how === 'on') await withClient(url, switchCaptureOn);
          return mostPerSecond(url, pgbench);
        }),
      );
    }
    progress(
      `  capture: ${Math.round(rates.on.at(-1) ?? 0)} transactions/s, without ${Math.round(rates.off.at(-1) ?? 0)}`,
    );
  }
  return { on: figure(rates.on), off: figure(rates.off), ratio: ratio(rates.on, rates.off) };
}

/** The trigger as a migration makes it. */
async function switchCaptureOn(client: pg.Client) {
  const column = { name: 'aid', type: 'integer', collation: null, targetName: 'aid', targetType: 'bigint' };
  const key = {
    index: 'pgbench_accounts_pkey',
    columns: [column],
    projection: { alias: 'pgbench_accounts', layers: [] },
    needsHelperIndex: false,
  };
  const source = { schema: 'public', name: 'pgbench_accounts' };
  await client.query('create schema ghost');
  for (const statement of captureStatements({ suffix: '1', table: source, key }))
    await client.query(statement);
}

function perSecond(transactions: readonly Transaction[]) {
  const starts = transactions.map(({ startedAt }) => startedAt);
  const [from, to] = starts.reduce(
    ([low, high], at) => [Math.min(low, at), Math.max(high, at)],
    [Infinity, -Infinity],
  );
  return (transactions.length * 1000) / (to - from);
}

function pause(ms: number) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
