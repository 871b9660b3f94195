/**
 * The copy phase, beside the same chunks as plain INSERT ... SELECT statements sent one after the other: what somebody
 * would type into psql, without locks, checks, checkpoints and pacing. One worker beside one session, and the default
 * number of workers beside as many sessions.
 */
import type pg from 'pg';
import { abort, defaultRunSettings, InterruptedError, migrate } from '../src/index.js';
import { connect, withClient, type Lab } from './lib/lab.js';
import type { Options } from './lib/options.js';
import { count, progress, seconds, times, type Result } from './lib/output.js';
import { figure, inTurn, ratio } from './lib/statistics.js';
import { bareCopyStatements, change, table } from './lib/table.js';

const goal = 1.1;

interface Comparison {
  /** Of either */
  readonly sessions: number;
  /** Seconds */
  readonly ours: number[];
  /** Seconds */
  readonly plain: number[];
  /** Blocks of each chunk that the tool cut last, in the order they were done */
  chunks: readonly number[];
}

export async function copyVsInsert(lab: Lab, { rows, rounds }: Options): Promise<Result> {
  const comparisons = await lab.withTable(rows, (url) => compare(lab, url, rows, rounds));
  const results = comparisons.map(({ sessions, ours, plain, chunks }) => ({
    sessions,
    chunks: chunks.length,
    copySeconds: figure(ours),
    plainSeconds: figure(plain),
    ratio: ratio(ours, plain),
    rowsPerSecond: Math.round(rows / figure(ours).median),
  }));
  return {
    lines: results.map((result) => ({
      measure: `copy phase, ${many(result.sessions, 'worker')}`,
      ours: seconds(result.copySeconds),
      beside: `INSERT ... SELECT, ${many(result.sessions, 'session')} ${seconds(result.plainSeconds)}`,
      ratio: times(result.ratio),
      goal: `at most ${goal.toFixed(2)}`,
      met: result.ratio.median <= goal,
    })),
    notes: results.map(
      ({ rowsPerSecond, sessions, chunks }) =>
        `copy: ${count(rowsPerSecond)} rows/s with ${many(sessions, 'worker')}, ${many(chunks, 'chunk')}`,
    ),
    data: { rows, comparisons: results },
  };
}

async function compare(lab: Lab, url: string, rows: number, rounds: number) {
  await withClient(url, async (client) => {
    for (const statement of bareCopyStatements) await client.query(statement);
  });
  const comparisons: Comparison[] = [];
  for (const sessions of new Set([1, defaultRunSettings.workers])) {
    // Not counted: it brings the table into memory, and tells which chunks to type.
    const { chunks } = await copyWithTool(url, sessions);
    comparisons.push({ sessions, ours: [], plain: [], chunks });
  }
  const measurements = comparisons.flatMap((comparison) => [
    async () => {
      const { seconds: took, chunks } = await copyWithTool(url, comparison.sessions);
      comparison.ours.push(took);
      comparison.chunks = chunks;
      progress(`  pg-ghost, ${comparison.sessions}: ${took.toFixed(2)} s`);
    },
    async () => {
      const { seconds: took, rows: copied } = await copyPlainly(url, comparison.sessions, comparison.chunks);
      if (copied !== rows) throw new Error(`${copied} rows copied, not ${rows}`);
      comparison.plain.push(took);
      progress(`  plain,    ${comparison.sessions}: ${took.toFixed(2)} s`);
    },
  ]);
  for (let round = 0; round < rounds; round += 1) {
    for (const measure of inTurn(measurements, round)) {
      await lab.checkpoint();
      await measure();
    }
  }
  return comparisons;
}

/** Runs a migration to the end of its copy, as the phase itself measures it, and undoes it. */
async function copyWithTool(
  url: string,
  workers: number,
): Promise<{ seconds: number; chunks: readonly number[] }> {
  const connection = { url };
  const request = { table, alter: [change], statements: [], set: [], rewrite: false };
  const stop = new AbortController();
  const chunks: number[] = [];
  let took = Number.NaN;
  let id: number | null = null;
  try {
    await migrate({
      connection,
      request,
      settings: { workers },
      signal: stop.signal,
      onEvent(event) {
        id ??= event.id;
        if (event.event === 'copy:progress') chunks.push(event.chunkBlocks);
        if (event.event !== 'phase:done' || event.phase !== 'copy') return;
        took = event.seconds;
        stop.abort();
      },
    });
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
  }
  if (id === null || Number.isNaN(took)) throw new Error('the migration ended before its copy');
  await abort({ connection }, id);
  return { seconds: took, chunks };
}

async function copyPlainly(url: string, sessions: number, chunks: readonly number[]) {
  const clients = await Promise.all(Array.from({ length: sessions }, () => connect(url)));
  try {
    await clients[0]?.query('truncate bare.orders');
    const statements = insertStatements(chunks);
    const started = performance.now();
    let rows = 0;
    const work = async (client: pg.Client) => {
      for (let next = statements.shift(); next !== undefined; next = statements.shift()) {
        const { rowCount } = await client.query(next);
        rows += rowCount ?? 0;
      }
    };
    await Promise.all(clients.map(work));
    return { seconds: (performance.now() - started) / 1000, rows };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

function insertStatements(chunks: readonly number[]) {
  let from = 0;
  return chunks.map((blocks) => {
    const to = from + blocks;
    const statement = `
      insert into bare.orders
      select * from ${table}
      where ctid >= '(${from},0)' and ctid < '(${to},0)'`;
    from = to;
    return statement;
  });
}

function many(number: number, noun: string) {
  return number === 1 ? `1 ${noun}` : `${number} ${noun}s`;
}
