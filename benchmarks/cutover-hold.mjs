/**
 * How long the swap holds its lock, and what the application notices of it, under writers that never pause; beside the
 * bare swap, and beside moments without any.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { finalize, migrate } from '../dist/index.js';
import { bareSwaps, prepareBareSwaps } from './lib/bare-swap.mjs';
import { addDependents } from './lib/dependents.mjs';
import { withClient } from './lib/lab.mjs';
import { runIfMain } from './lib/main.mjs';
import { count, milliseconds, progress } from './lib/output.mjs';
import { figure } from './lib/statistics.mjs';
import { table } from './lib/table.mjs';
import { findPgbench } from './lib/pgbench.mjs';
import { longest, Writers } from './lib/writers.mjs';

const goalMs = 10;
/** With 3 foreign keys to the table, 5 views over it and 10 indexes. */
const goalWithDependentsMs = 15;
/** Before and after a swap: what waited for it began or ended in here. Every moment is looked at as widely. */
const aroundMs = 100;
/** Between two moments that are compared. */
const calmMs = 3 * aroundMs;

/**
 * @typedef {import('./lib/bare-swap.mjs').Swap} Swap
 * @typedef {Swap & { attempts: number, drainedKeys: number }} ToolSwap
 */

/**
 * @typedef {object} Observed
 * @property {readonly ToolSwap[]} ours
 * @property {readonly Swap[]} bare
 * @property {readonly number[]} calm moments at which nobody swapped, as of `Date.now()`
 * @property {readonly import('./lib/writers.mjs').Transaction[]} transactions of the writers
 */

/** @type {import('./lib/main.mjs').Benchmark} */
export async function cutoverHold(lab, options) {
  const pgbench = findPgbench();
  const observed = await lab.withTable(options.swapRows, (url) => observe(lab, url, options, pgbench));
  const { ours, bare, calm, transactions } = observed;
  const hold = figure(ours.map(({ holdMs }) => holdMs));
  const bareHold = figure(bare.map(({ holdMs }) => holdMs));
  const slowest = (/** @type {readonly { triedAt: number, doneAt: number }[]} */ moments) =>
    figure(
      moments.map(({ triedAt, doneAt }) => longest(transactions, triedAt - aroundMs, doneAt + aroundMs)),
    );
  const [around, aroundBare] = [slowest(ours), slowest(bare)];
  const without = slowest(calm.map((at) => ({ triedAt: at, doneAt: at })));
  const tries = figure(ours.map(({ attempts }) => attempts));
  const drained = figure(ours.map(({ drainedKeys }) => drainedKeys));
  const writers = {
    number: options.writers,
    by: pgbench === null ? 'Node' : 'pgbench',
    transactions: transactions.length,
    perSecond: perSecond(transactions),
  };
  return {
    lines: [
      {
        measure: `hold of the swap, ${writers.number} writers`,
        ours: milliseconds(hold),
        beside: `bare swap ${milliseconds(bareHold)}`,
        ratio: (hold.median / bareHold.median).toFixed(2),
        goal: `median below ${goalMs} ms`,
        met: hold.median < goalMs,
      },
      {
        measure: 'slowest transaction around it',
        ours: milliseconds(around),
        beside: `bare swap ${milliseconds(aroundBare)}\nno swap ${milliseconds(without)}`,
      },
    ],
    notes: [
      `swaps: ${ours.length} of ${count(options.swapRows)} rows, ${tries.median} tries and ${drained.median} keys drained ` +
        `under the lock at the median; ${bare.length} bare swaps`,
      `writers: ${writers.by}, ${count(writers.transactions)} transactions, ${count(writers.perSecond)}/s, no errors`,
    ],
    data: {
      rows: options.swapRows,
      writers,
      holdMs: hold,
      bareHoldMs: bareHold,
      slowestAroundMs: around,
      slowestAroundBareMs: aroundBare,
      slowestWithoutMs: without,
      tries,
      drainedKeys: drained,
    },
  };
}

/**
 * The same on a table in the middle of a schema: what hangs on it is made anew under the lock.
 *
 * @type {import('./lib/main.mjs').Benchmark}
 */
export async function cutoverHoldWithDependents(lab, options) {
  const pgbench = findPgbench();
  const { ours, transactions } = await lab.withTable(options.swapRows, (url) =>
    observe(lab, url, options, pgbench, addDependents),
  );
  const hold = figure(ours.map(({ holdMs }) => holdMs));
  const around = figure(
    ours.map(({ triedAt, doneAt }) => longest(transactions, triedAt - aroundMs, doneAt + aroundMs)),
  );
  return {
    lines: [
      {
        measure: `hold with 3 foreign keys to the table, 5 views, 10 indexes`,
        ours: milliseconds(hold),
        beside: '',
        goal: `median below ${goalWithDependentsMs} ms`,
        met: hold.median < goalWithDependentsMs,
      },
      { measure: 'slowest transaction around it', ours: milliseconds(around), beside: '' },
    ],
    notes: [`swaps: ${ours.length} of ${count(options.swapRows)} rows, ${options.writers} writers`],
    data: { rows: options.swapRows, holdMs: hold, slowestAroundMs: around },
  };
}

/**
 * @param {import('./lib/lab.mjs').Lab} lab
 * @param {string} url
 * @param {import('./lib/options.mjs').Options} options
 * @param {string | null} pgbench
 * @param {((client: import('pg').Client) => Promise<void>) | null} addMore what the bare swap could not carry: there is none then
 * @returns {Promise<Observed>}
 */
async function observe(lab, url, { swaps, swapRows, writers }, pgbench, addMore = null) {
  /** @type {ToolSwap[]} */
  const ours = [];
  /** @type {Swap[]} */
  const bare = [];
  /** @type {number[]} */
  const calm = [];
  return await withClient(url, async (client) => {
    await (addMore ?? prepareBareSwaps)(client);
    await lab.checkpoint();
    const application = Writers.start({ url, writers, rows: swapRows, pgbench });
    try {
      for (let swap = 0; swap < swaps; swap += 1) {
        await sleep(calmMs);
        calm.push(Date.now());
        await sleep(calmMs);
        ours.push(await toolSwap(url));
        await sleep(calmMs);
        if (addMore === null) bare.push(...(await bareSwaps(client)));
        progress(`  pg-ghost ${holdOf(ours)}${addMore === null ? `, bare ${holdOf(bare)}` : ''}`);
      }
    } catch (error) {
      await application.stop().catch(() => undefined);
      throw error;
    }
    const transactions = await application.stop();
    const last = (bare.at(-1) ?? ours.at(-1))?.doneAt ?? 0;
    if (!transactions.some(({ startedAt }) => startedAt > last + aroundMs)) {
      throw new Error('the log of the writers ends before the last swap');
    }
    return { ours, bare, calm, transactions };
  });
}

/**
 * A whole migration, `--rewrite` of the table, and the old table dropped again.
 *
 * @param {string} url
 * @returns {Promise<ToolSwap>}
 */
async function toolSwap(url) {
  const connection = { url };
  const swap = { triedAt: 0, doneAt: 0, holdMs: 0, attempts: 0, drainedKeys: 0 };
  const { id } = await migrate({
    connection,
    request: { table, alter: [], statements: [], set: [], rewrite: true },
    onEvent(event) {
      if (event.event === 'cutover:try') swap.triedAt = event.at.getTime();
      if (event.event !== 'cutover:done') return;
      swap.doneAt = event.at.getTime();
      swap.holdMs = event.holdMs;
      swap.attempts = event.attempts;
      swap.drainedKeys = event.drainedKeys;
    },
  });
  if (id === null) throw new Error('the table was not swapped');
  await finalize({ connection }, id);
  return swap;
}

/** @param {readonly Swap[]} swaps */
function holdOf(swaps) {
  return `${(swaps.at(-1)?.holdMs ?? Number.NaN).toFixed(1)} ms`;
}

/** @param {readonly import('./lib/writers.mjs').Transaction[]} transactions */
function perSecond(transactions) {
  const { min, max } = figure(transactions.map(({ startedAt }) => startedAt));
  return Math.round((transactions.length * 1000) / (max - min));
}

await runIfMain(import.meta.url, 'cutover-hold', {
  'cutover-hold': cutoverHold,
  'cutover-hold with dependents': cutoverHoldWithDependents,
});
