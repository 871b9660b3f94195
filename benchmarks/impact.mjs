/**
 * What a migration costs the application: a steady load at about 60 % of what the server can do, without a migration, while one
 * runs unthrottled, and while one runs gently; and what the cutover alone costs, over many migrations.
 */
import { withClient } from './lib/lab.mjs';
import { runIfMain } from './lib/main.mjs';
import { count, progress } from './lib/output.mjs';
import { figure, inTurn } from './lib/statistics.mjs';
import { change, table } from './lib/table.mjs';
import { runTool } from './lib/tool.mjs';
import { findPgbench, longest, Writers } from './lib/writers.mjs';

const clients = 4;
const probeMs = 8_000;
const quietMs = 10_000;
const share = 0.6;
const gently = ['--workers', '1', '--nice', '2', '--chunk-time', '100'];

/** @typedef {{ tps: number, p50: number, p99: number, longest: number, transactions: number }} Seen */

/** @type {import('./lib/main.mjs').Benchmark} */
export async function impact(lab, { rows, swaps, swapRows }) {
  const pgbench = findPgbench();
  if (pgbench === null) throw new Error('this benchmark needs pgbench: a load at a given rate');
  const most = await lab.withTable(rows, (url) => mostPerSecond(url, rows, pgbench));
  const rate = Math.round(most * share);
  progress(`  the server does ${count(Math.round(most))} transactions a second; the load is ${count(rate)}`);
  /** @type {Record<string, Seen>} */
  const seen = {};
  for (const [name, args] of /** @type {const} */ ([
    ['alone', null],
    ['unthrottled', []],
    ['gently', gently],
  ])) {
    seen[name] = await lab.withTable(rows, (url) => load(url, rows, pgbench, rate, args));
    progress(`  ${name}: ${line(seen[name])}`);
  }
  /** @type {number[]} */
  const stalls = [];
  for (let swap = 0; swap < swaps; swap += 1) {
    stalls.push(await lab.withTable(swapRows, (url) => stallOfCutover(url, swapRows, pgbench, rate)));
    progress(`  cutover ${swap + 1}: longest transaction ${stalls.at(-1)?.toFixed(1)} ms`);
  }
  const capture = await captureCost(lab, swapRows, pgbench);
  const stall = figure(stalls);
  const alone = /** @type {Seen} */ (seen['alone']);
  return {
    lines: [
      ...['unthrottled', 'gently'].map((name) => {
        const now = /** @type {Seen} */ (seen[name]);
        return {
          measure: `the application while a migration runs ${name}`,
          ours: line(now),
          beside: `alone ${line(alone)}`,
          ratio: `${(now.tps / alone.tps).toFixed(2)} of the transactions`,
        };
      }),
      {
        measure: `longest transaction around the cutover, ${swaps} migrations`,
        ours: `${stall.median.toFixed(1)} ms (p95 ${stall.p95.toFixed(1)}, max ${stall.max.toFixed(1)})`,
        goal: 'median below 50 ms',
        met: stall.median < 50,
      },
      {
        measure: 'throughput with capture on, as fast as the server can',
        ours: `${count(Math.round(capture.on))} transactions/s`,
        beside: `without ${count(Math.round(capture.off))}`,
        ratio: (capture.on / capture.off).toFixed(2),
        goal: 'at least 0.90',
        met: capture.on / capture.off >= 0.9,
      },
    ],
    notes: ['no transaction of the application failed: pgbench would have ended with an error'],
    data: { rate, most, seen, stalls: stall, capture },
  };
}

/** @param {Seen} seen */
function line({ tps, p50, p99, longest: most }) {
  return `${count(Math.round(tps))}/s, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(1)} ms, longest ${most.toFixed(0)} ms`;
}

/**
 * @param {string} url
 * @param {number} rows
 * @param {string} pgbench
 */
async function mostPerSecond(url, rows, pgbench) {
  const writers = Writers.start({ url, writers: clients, rows, pgbench });
  await pause(probeMs);
  const transactions = await writers.stop();
  return perSecond(transactions);
}

/**
 * @param {string} url
 * @param {number} rows
 * @param {string} pgbench
 * @param {number} rate
 * @param {readonly string[] | null} args of `pg-ghost run`; null: no migration
 * @returns {Promise<Seen>}
 */
async function load(url, rows, pgbench, rate, args) {
  const writers = Writers.start({ url, writers: clients, rows, pgbench, rate });
  await pause(1_000);
  const from = Date.now();
  if (args === null) await pause(quietMs);
  else await runTool(url, ['--table', table, '--alter', change, ...args]);
  const to = Date.now();
  const during = (await writers.stop()).filter(({ startedAt }) => startedAt >= from && startedAt <= to);
  const sorted = during.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const at = (/** @type {number} */ part) =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return {
    tps: (during.length * 1000) / (to - from),
    p50: at(0.5),
    p99: at(0.99),
    longest: sorted.at(-1) ?? 0,
    transactions: during.length,
  };
}

/**
 * @param {string} url
 * @param {number} rows
 * @param {string} pgbench
 * @param {number} rate
 */
async function stallOfCutover(url, rows, pgbench, rate) {
  const writers = Writers.start({ url, writers: clients, rows, pgbench, rate });
  await pause(500);
  const run = await runTool(url, ['--table', table, '--alter', change]);
  const transactions = await writers.stop();
  if (run.cutover === null) throw new Error('the run told nothing of its cutover');
  return longest(transactions, run.cutover.from, run.cutover.to);
}

/**
 * @param {import('./lib/lab.mjs').Lab} lab
 * @param {number} rows
 * @param {string} pgbench
 */
async function captureCost(lab, rows, pgbench) {
  /** @type {Record<'on' | 'off', number[]>} */
  const rates = { on: [], off: [] };
  for (let round = 0; round < 3; round += 1) {
    for (const how of inTurn(/** @type {const} */ (['off', 'on']), round)) {
      rates[how].push(
        await lab.withTable(rows, async (url) => {
          if (how === 'on') await withClient(url, switchCaptureOn);
          return mostPerSecond(url, rows, pgbench);
        }),
      );
    }
  }
  return { on: figure(rates.on).median, off: figure(rates.off).median };
}

/**
 * The trigger as a migration makes it.
 *
 * @param {import('pg').Client} client
 */
async function switchCaptureOn(client) {
  const { captureStatements } = await import('../dist/capture/triggers/trigger-sql.js');
  const column = { name: 'id', type: 'integer', collation: null, targetName: 'id', targetType: 'bigint' };
  const key = {
    index: 'orders_pkey',
    columns: [column],
    projection: { alias: table, layers: [] },
    needsHelperIndex: false,
  };
  await client.query('create schema ghost');
  for (const statement of captureStatements({ id: 1, table: { schema: 'public', name: 'orders' }, key })) {
    await client.query(statement);
  }
}

/** @param {readonly import('./lib/writers.mjs').Transaction[]} transactions */
function perSecond(transactions) {
  const starts = transactions.map(({ startedAt }) => startedAt);
  const [from, to] = starts.reduce(
    ([low, high], at) => [Math.min(low, at), Math.max(high, at)],
    [Infinity, -Infinity],
  );
  return (transactions.length * 1000) / (to - from);
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await runIfMain(import.meta.url, 'impact', { impact });
