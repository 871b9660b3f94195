/**
 * What pgbench does with the scripts of `writers.js`, for machines without it: WRITERS connections to DATABASE_URL, one
 * transaction after the other, a log like pgbench's in the working directory. Ends at SIGINT.
 *
 * node node-writers.js WRITERS ROWS
 */
import { createWriteStream } from 'node:fs';
import { connect } from './lab.js';
import { scripts } from './writers.js';

const [writers = 0, rows = 0] = process.argv.slice(2).map(Number);
const log = createWriteStream('log.1');
const deck = scripts.flatMap(({ weight, sql }) => Array.from({ length: weight }, () => sql));
let stopped = false;
process.once('SIGINT', () => (stopped = true));

await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
log.end();

async function write(writer: number) {
  const client = await connect(process.env['DATABASE_URL'] ?? '');
  for (let transaction = 1; !stopped; transaction += 1) {
    const id = 1 + Math.floor(Math.random() * rows);
    const script = Math.floor(Math.random() * deck.length);
    const started = performance.now();
    await client.query(deck[script]?.replaceAll(':id', String(id)) ?? '');
    const endedAt = performance.timeOrigin + performance.now();
    const microseconds = Math.round((performance.now() - started) * 1000);
    const seconds = Math.floor(endedAt / 1000);
    log.write(
      `${writer} ${transaction} ${microseconds} ${script} ${seconds} ${Math.round((endedAt - seconds * 1000) * 1000)}\n`,
    );
  }
  await client.end();
}
