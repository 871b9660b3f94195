/** Asks PostgreSQL whether every write arrived. Each check says what it saw, whether it passed or not. */
import type { Session } from '../../db/session.js';
import { isServerError } from '../../db/sqlstate.js';
import { countDifferencesSql } from '../../lab/proof.js';
import { count } from '../../report/format.js';
import type { Counts } from './application.js';

export interface Check {
  readonly passed: boolean;
  readonly text: string;
}

/** Of the key: as the change makes it, and as it was. */
export type KeyType = 'bigint' | 'integer';

export interface Work {
  readonly seededRows: number;
  readonly counts: Counts;
}

/** After the writers have stopped. Leaves the tables as they are; the sequence has given a few numbers. */
export async function prove(
  session: Session,
  expected: KeyType,
  { seededRows, counts }: Work,
): Promise<Check[]> {
  return [
    await proveType(session, expected),
    await proveCount(session, seededRows + counts.inserted - counts.deleted),
    await proveRows(session),
    await (expected === 'bigint' ? proveRoom(session) : proveSequence(session)),
  ];
}

async function proveType(session: Session, expected: KeyType): Promise<Check> {
  const { type } = await session.row<{ type: string }>(
    `select atttypid::regtype::text as type from pg_attribute where attrelid = 'public.orders'::regclass and attname = 'id'`,
  );
  return { passed: type === expected, text: `orders.id is ${type}` };
}

/** What the writers counted themselves, so that a loss in both tables would be seen too. */
async function proveCount(session: Session, expected: number): Promise<Check> {
  const { rows } = await session.row<{ rows: number }>('select count(*) as rows from public.orders');
  return {
    passed: rows === expected,
    text: `${count(rows)} rows, ${count(expected)} by the writers' own account`,
  };
}

async function proveRows(session: Session): Promise<Check> {
  const { lost, extra, different } = await session.row<{ lost: number; extra: number; different: number }>(
    countDifferencesSql('public.orders', 'public.orders_mirror', 'id'),
  );
  return {
    passed: lost + extra + different === 0,
    text: `compared with the mirror row by row: ${count(lost)} lost, ${count(extra)} too many, ${count(different)} different`,
  };
}

/** The same sequence goes on. */
async function proveSequence(session: Session): Promise<Check> {
  const { top } = await session.row<{ top: number }>('select max(id) as top from public.orders');
  const following = await nextId(session);
  return { passed: following > top, text: `the sequence went on with ${count(following)}` };
}

/** And beyond what an integer can hold; it is put back to where it was. */
async function proveRoom(session: Session): Promise<Check> {
  const beyond = 2_147_483_648;
  const set = (last: number): Promise<unknown> =>
    session.rows(`select setval(pg_get_serial_sequence('public.orders', 'id'), ${last})`);
  try {
    const { top } = await session.row<{ top: number }>('select max(id) as top from public.orders');
    const following = await nextId(session);
    await set(beyond - 1);
    const large = await nextId(session);
    await set(following);
    return {
      passed: following > top && large === beyond,
      text: `the sequence went on with ${count(following)}, and ${count(large)} fits`,
    };
  } catch (error) {
    if (!isServerError(error)) throw error;
    return { passed: false, text: `the sequence does not go on: ${error.message}` };
  }
}

/** What an insert gets; the row itself is taken back. */
async function nextId(session: Session): Promise<number> {
  await session.batch(['begin']);
  try {
    const { id } = await session.row<{ id: number }>(
      'insert into public.orders (customer_id, total) values (1, 1) returning id',
    );
    return id;
  } finally {
    await session.rollback();
  }
}
