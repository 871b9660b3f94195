/**
 * The least that a swap can be: one hand-written transaction that takes the lock, drops a trigger and exchanges two tables by
 * their schemas. No last writes to drain, nothing to check.
 */
import type pg from 'pg';
import { table } from './table.js';

const preparation = [
  'create schema spare',
  'create schema aside',
  'create table spare.orders (like public.orders including all)',
  // A sequence of its own, which comes and goes with it; far from the ids that are taken.
  'create sequence spare.orders_id_seq as integer start 1000000000 owned by spare.orders.id',
  "alter table spare.orders alter column id set default nextval('spare.orders_id_seq')",
  'insert into spare.orders select * from public.orders',
  'vacuum (freeze, analyze) spare.orders',
  'create table spare.log (id bigint)',
  `create function spare.capture() returns trigger language plpgsql as $$
   begin
     insert into spare.log values (coalesce(new.id, old.id));
     return null;
   end $$`,
];

const createTrigger = `
  create trigger capture after insert or update or delete on ${table}
  for each row execute function spare.capture()`;

/** An open transaction of a writer makes us wait, and everybody else behind us. */
const lockStatements = [
  'begin',
  "set local lock_timeout = '1s'",
  `lock table ${table} in access exclusive mode`,
];

/**
 * @param outgoing schema that the table goes to
 * @param incoming schema that the other one comes from
 */
function swapStatements(outgoing: string, incoming: string) {
  return [
    `drop trigger capture on ${table}`,
    `alter table ${table} set schema ${outgoing}`,
    `alter table ${incoming}.orders set schema public`,
    'commit',
  ];
}

export async function prepareBareSwaps(client: pg.Client) {
  for (const statement of preparation) await client.query(statement);
}

/** Times as of `Date.now()`. */
export interface Swap {
  /** As the client saw it, from having the lock to the commit. */
  readonly holdMs: number;
  readonly triedAt: number;
  readonly doneAt: number;
}

/** There and back: the table is the same as before. What the writers did in between is lost, which no writer notices. */
export async function bareSwaps(client: pg.Client): Promise<Swap[]> {
  return [await bareSwap(client, 'aside', 'spare'), await bareSwap(client, 'spare', 'aside')];
}

async function bareSwap(client: pg.Client, outgoing: string, incoming: string) {
  await client.query(createTrigger);
  const triedAt = Date.now();
  await client.query(lockStatements.join(';'));
  const locked = performance.now();
  await client.query(swapStatements(outgoing, incoming).join(';'));
  return { holdMs: performance.now() - locked, triedAt, doneAt: Date.now() };
}
