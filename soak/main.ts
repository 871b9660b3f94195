/**
 * The long soak: everything at once, at random, for as long as you like. Ends with 1 at the first promise that was broken, and
 * says how to see it again.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedMajor } from '../src/lab/embedded-binaries.js';
import { startEmbeddedServer, type EmbeddedServer } from '../src/lab/embedded-server.js';
import { Random } from '../src/lab/random.js';
import { readServerLog } from '../src/lab/server-process.js';
import { readOptions } from './lib/options.js';
import { Round } from './lib/round.js';
import { oddRole } from './lib/surroundings.js';
import { copyTool } from './lib/tool.js';
import { textOf, World } from './lib/world.js';

/** As a production server, but for fsync: servers crash here, machines do not. */
const serverSettings = {
  fsync: 'off',
  wal_level: 'logical',
  max_prepared_transactions: '10',
  autovacuum_naptime: '5s',
};

const options = readOptions();
console.log(`seed ${options.seed}, PostgreSQL ${options.major}`);
const tool = await copyTool();
const server = await startEmbeddedServer({
  major: options.major as EmbeddedMajor,
  settings: serverSettings,
});
try {
  await new World(server, 'postgres').withClient((client) => client.query('create role soak_reader'));
  await new World(server, 'postgres').withClient((client) =>
    client.query(
      `create role ${client.escapeIdentifier(oddRole)} superuser login password ${client.escapeLiteral(passwordOf(server))}`,
    ),
  );
  process.exitCode = await soak();
} finally {
  await server.stop({ immediate: true });
  await tool.remove();
}

function passwordOf(embedded: EmbeddedServer) {
  return decodeURIComponent(new URL(embedded.url()).password);
}

/** @returns the exit code */
async function soak(): Promise<number> {
  const until = performance.now() + options.minutes * 60_000;
  const totals = {
    rounds: 0,
    swapped: 0,
    'rolled back': 0,
    aborted: 0,
    skipped: 0,
    transactions: 0,
    reads: 0,
    stale: 0,
    deadlocks: 0,
    rows: 0,
  };
  const troubles: Record<string, number> = {};
  const codes: Record<string, number> = {};
  const first = options.round ?? 1;
  const last = options.round ?? options.rounds;
  let ok = true;
  for (
    let number = first;
    ok && number <= last && (number === first || performance.now() < until);
    number += 1
  ) {
    const seed = roundSeed(options.seed, number);
    const round = new Round(server, tool.program, seed);
    totals.rounds += 1;
    try {
      const outcome = await round.run();
      const { how, why, shape, command, seconds, load, rowsCompared } = outcome;
      totals[how] += 1;
      totals.transactions += load.transactions;
      totals.reads += load.reads;
      totals.stale += load.staleReads;
      totals.deadlocks += load.deadlocks;
      totals.rows += rowsCompared;
      console.log(
        [
          `#${number} ${how}${why === undefined ? '' : ` (${why})`}`,
          shape,
          command.replace('pg-ghost run --json --table t ', '').replace(/ --retry-for.*deadline 60s/, ''),
          [...round.troubles, ...(load.truncations > 0 ? [`${load.truncations} truncate`] : [])].join(', ') ||
            'no trouble',
          `${load.transactions} writes, ${load.reads} reads, ${rowsCompared} rows compared`,
          `${seconds.toFixed(1)} s`,
          `ended ${outcome.codes.join(', ')}`,
          'ok',
        ].join(' | '),
      );
      if (options.verbose) console.log(timelineOf(round));
    } catch (error) {
      ok = false;
      await report(round, number, seed, error);
    }
    for (const kind of round.troubles) troubles[kind] = (troubles[kind] ?? 0) + 1;
    for (const code of round.codes) codes[code] = (codes[code] ?? 0) + 1;
  }
  console.log(
    `${totals.rounds} rounds (${totals.swapped} swapped, ${totals['rolled back']} rolled back, ${totals.aborted} aborted, ${totals.skipped} skipped); ` +
      `${totals.transactions} transactions written twice, ${totals.reads} reads compared (${totals.stale} stale), ` +
      `${totals.rows} rows compared, ${totals.deadlocks} deadlocks among writers`,
  );
  console.log(`troubles: ${listed(troubles)}`);
  console.log(`runs ended with: ${listed(codes)}`);
  return ok ? 0 : 1;
}

async function report(round: Round, number: number, seed: number, error: unknown) {
  const text = [
    `#${number} BROKEN: ${textOf(error)}`,
    ...(error instanceof Error && error.constructor === Error ? [error.stack] : []),
    `table:   ${round.shape}`,
    `change:  ${round.command}`,
    `round seed ${seed}; troubles: ${round.troubles.join(', ')}; runs ended ${round.codes.join(', ')}`,
    `again:   npm run soak -- --seed ${options.seed} --round ${number} --major ${options.major}`,
  ].join('\n');
  console.log(text);
  const log = await serverLog();
  const file = join(tmpdir(), `pg-ghost-soak-${options.seed}-${number}.txt`);
  writeFileSync(
    file,
    `${text}\n\ntimeline\n${timelineOf(round)}\n\nlast output\n${round.lastOutput}\n\nserver log\n${log}\n`,
  );
  console.log(`timeline\n${timelineOf(round)}\nmore in ${file}`);
}

async function serverLog() {
  const log = await readServerLog(join(server.dataDirectory, '..')).catch((error) => String(error));
  return log.split('\n').slice(-400).join('\n');
}

function roundSeed(seed: number, round: number) {
  return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(round, 0x85ebca6b)).int(1, 2 ** 31 - 1);
}

function timelineOf({ world }: Round) {
  return world.timeline.map(({ at, what }) => `  ${at.toFixed(2).padStart(7)}  ${what}`).join('\n');
}

function listed(counts: Record<string, number>) {
  const entries = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  return entries.map(([name, count]) => `${count} ${name}`).join(', ') || 'none';
}
