/**
 * The copy phase, beside the same chunks as plain INSERT ... SELECT statements sent one after the other: what somebody
 * would type into psql, without locks, checks, checkpoints and pacing. One worker beside one session, and the default
 * number of workers beside as many sessions.
 */
import { abort, defaultRunSettings, InterruptedError, migrate } from '../dist/index.js';
import { connect, withClient } from './lib/lab.mjs';
import { runIfMain } from './lib/main.mjs';
import { count, progress, seconds, times } from './lib/output.mjs';
import { figure, inTurn, ratio } from './lib/statistics.mjs';
import { bareCopyStatements, change, table } from './lib/table.mjs';

const goal = 1.1;

/**
 * @typedef {object} Comparison
 * @property {number} sessions of either
 * @property {number[]} ours seconds
 * @property {number[]} plain seconds
 * @property {readonly number[]} chunks blocks of each chunk that the tool cut last, in the order they were done
 */

/** @type {import('./lib/main.mjs').Benchmark} */
export async function copyVsInsert(lab, { rows, rounds }) {
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

/**
 * @param {import('./lib/lab.mjs').Lab} lab
 * @param {string} url
 * @param {number} rows
 * @param {number} rounds
 */
async function compare(lab, url, rows, rounds) {
  await withClient(url, async (client) => {
    for (const statement of bareCopyStatements) await client.query(statement);
  });
  /** @type {Comparison[]} */
  const comparisons = [];
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

/**
 * Runs a migration to the end of its copy, as the phase itself measures it, and undoes it.
 *
 * @param {string} url
 * @param {number} workers
 * @returns {Promise<{ seconds: number, chunks: readonly number[] }>}
 */
async function copyWithTool(url, workers) {
  const connection = { url };
  const request = { table, alter: [change], statements: [], set: [], rewrite: false };
  const stop = new AbortController();
  /** @type {number[]} */
  const chunks = [];
  let took = Number.NaN;
  /** @type {number | null} */
  let id = null;
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

/**
 * @param {string} url
 * @param {number} sessions
 * @param {readonly number[]} chunks
 */
async function copyPlainly(url, sessions, chunks) {
  const clients = await Promise.all(Array.from({ length: sessions }, () => connect(url)));
  try {
    await clients[0]?.query('truncate bare.orders');
    const statements = insertStatements(chunks);
    const started = performance.now();
    let rows = 0;
    const work = async (/** @type {import('pg').Client} */ client) => {
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

/** @param {readonly number[]} chunks */
function insertStatements(chunks) {
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

/**
 * @param {number} number
 * @param {string} noun
 */
function many(number, noun) {
  return number === 1 ? `1 ${noun}` : `${number} ${noun}s`;
}

await runIfMain(import.meta.url, 'copy-vs-insert', { 'copy-vs-insert': copyVsInsert });
