/**
 * How long the swap holds its lock, and what the application notices of it, under writers that never pause; beside the
 * bare swap, and beside moments without any.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { finalize, migrate, type RunSettings } from '../src/index.js';
import { bareSwaps, prepareBareSwaps, type Swap } from './lib/bare-swap.js';
import { addDependents } from './lib/dependents.js';
import { withClient, type Lab } from './lib/lab.js';
import type { Options } from './lib/options.js';
import { count, milliseconds, progress, type Result } from './lib/output.js';
import { findPgbench } from './lib/pgbench.js';
import { figure } from './lib/statistics.js';
import { table } from './lib/table.js';
import { longest, Writers, type Transaction } from './lib/writers.js';

const goalMs = 10;
/** With 3 foreign keys to the table, 5 views over it and 10 indexes. */
const goalWithDependentsMs = 15;
/** Before and after a swap: what waited for it began or ended in here. Every moment is looked at as widely. */
const aroundMs = 100;
/** Between two moments that are compared. */
const calmMs = 3 * aroundMs;

export interface ToolSwap extends Swap {
  /** Of the hold, until the log was complete. */
  readonly captureMs: number;
  readonly attempts: number;
  readonly drainedKeys: number;
}

interface Observed {
  readonly ours: readonly ToolSwap[];
  readonly bare: readonly Swap[];
  /** Moments at which nobody swapped, as of `Date.now()` */
  readonly calm: readonly number[];
  /** Of the writers */
  readonly transactions: readonly Transaction[];
}

export async function cutoverHold(lab: Lab, options: Options): Promise<Result> {
  const pgbench = findPgbench();
  const observed = await lab.withTable(options.swapRows, (url) => observe(lab, url, options, pgbench));
  const { ours, bare, calm, transactions } = observed;
  const hold = figure(ours.map(({ holdMs }) => holdMs));
  const bareHold = figure(bare.map(({ holdMs }) => holdMs));
  const slowest = (moments: readonly { triedAt: number; doneAt: number }[]) =>
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

/** The same on a table in the middle of a schema: what hangs on it is made anew under the lock. */
export async function cutoverHoldWithDependents(lab: Lab, options: Options): Promise<Result> {
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

/** @param addMore what the bare swap could not carry: there is none then */
async function observe(
  lab: Lab,
  url: string,
  { swaps, swapRows, writers }: Options,
  pgbench: string | null,
  addMore: ((client: pg.Client) => Promise<void>) | null = null,
): Promise<Observed> {
  const ours: ToolSwap[] = [];
  const bare: Swap[] = [];
  const calm: number[] = [];
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

/** A whole migration, `--rewrite` of the table, and the old table dropped again. */
export async function toolSwap(url: string, settings: Partial<RunSettings> = {}): Promise<ToolSwap> {
  const connection = { url };
  const swap = { triedAt: 0, doneAt: 0, holdMs: 0, captureMs: 0, attempts: 0, drainedKeys: 0 };
  const { id } = await migrate({
    connection,
    request: { table, alter: [], statements: [], set: [], rewrite: true },
    settings,
    onEvent(event) {
      if (event.event === 'cutover:try') swap.triedAt = event.at.getTime();
      if (event.event !== 'cutover:done') return;
      swap.doneAt = event.at.getTime();
      swap.holdMs = event.holdMs;
      swap.attempts = event.attempts;
      swap.captureMs = event.captureMs;
      swap.drainedKeys = event.drainedKeys;
    },
  });
  if (id === null) throw new Error('the table was not swapped');
  await finalize({ connection }, id);
  return swap;
}

function holdOf(swaps: readonly Swap[]) {
  return `${(swaps.at(-1)?.holdMs ?? Number.NaN).toFixed(1)} ms`;
}

function perSecond(transactions: readonly Transaction[]) {
  const { min, max } = figure(transactions.map(({ startedAt }) => startedAt));
  return Math.round((transactions.length * 1000) / (max - min));
}
