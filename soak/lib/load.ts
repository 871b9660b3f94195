/**
 * The application: writers that write everything into the table and into its mirror, in one transaction, and readers that must
 * see the same in both. None of them knows of the migration; but like every application they have to learn the new shape
 * after the swap. Therefore each transaction makes sure after its first write that the table is still the one it was
 * written for, and is rolled back by itself when it is not.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Change } from './change.js';
import { runConnectionLoop } from '../../src/lab/connection-loop.js';
import type { Random } from '../../src/lab/random.js';
import {
  fillExpression,
  insertedColumns,
  keyValues,
  kinds,
  literal,
  quoted,
  uniqueValue,
  type Column,
  type Shape,
} from './shape.js';
import { BrokenPromise, codeOf, isConnectionLoss, textOf, type World } from './world.js';

/** The table or its mirror */
interface Side {
  readonly table: string;
  readonly isMirror: boolean;
}

const source: Side = { table: 'public.t', isMirror: false };
const mirror: Side = { table: 'm.mirror', isMirror: true };

const shapeChanged = 'SOAK1';

export class Load {
  transactions = 0;
  reads = 0;
  /** Reads of transactions that began in the swap's last moments; documented to see an older state. */
  staleReads = 0;
  deadlocks = 0;
  truncations = 0;
  /** Nobody holds a lock for long any more: set when pg-ghost has found no moment for the swap. */
  isCalm = false;
  /** When the swap's phase began, `performance.now()`: transactions from before it were to be waited for. */
  cutoverBegan = Number.POSITIVE_INFINITY;
  #stopped = new AbortController();
  #tasks: Promise<void>[] = [];

  constructor(
    readonly world: World,
    readonly shape: Shape,
    readonly change: Change,
    readonly random: Random,
  ) {
    this.#signal = AbortSignal.any([this.#stopped.signal, world.over]);
  }

  readonly #signal: AbortSignal;

  async start() {
    const oid = await this.world.withClient(tableOid);
    for (let writer = 1; writer <= this.shape.writers; writer += 1) {
      const task = new Writer(this, writer, this.random.fork(), oid);
      this.#tasks.push(this.#guarded(`writer ${writer}`, () => task.run(this.#signal)));
    }
    if (this.random.chance(0.5)) {
      const task = new Writer(this, this.shape.writers + 1, this.random.fork(), oid);
      this.#tasks.push(this.#guarded('two-phase writer', () => task.runTwoPhase(this.#signal)));
    }
    const readers = this.random.chance(0.5) ? ['counting', 'old snapshot'] : ['counting'];
    for (const kind of readers) {
      const random = this.random.fork();
      this.#tasks.push(
        this.#guarded(kind, () =>
          kind === 'counting' ? this.#count(random, this.#signal) : this.#readLong(random, this.#signal),
        ),
      );
    }
  }

  /** Nothing is under way afterwards. */
  async stop() {
    this.#stopped.abort();
    await Promise.all(this.#tasks);
  }

  async #guarded(name: string, work: () => Promise<void>) {
    try {
      await work();
    } catch (error) {
      if (this.world.over.aborted) return;
      this.world.fail(
        error instanceof BrokenPromise ? error : new Error(`${name}: ${textOf(error)}`, { cause: error }),
      );
    }
  }

  /**
   * A deadlock, or a serialization failure, among writers and readers.
   *
   * @throws BrokenPromise when pg-ghost was at the other end
   */
  isConflictOfOurs(error: unknown): boolean {
    if (isReindexRace(error)) return true;
    if (!['40P01', '40001'].includes(codeOf(error))) return false;
    const detail = (error as { detail?: string }).detail ?? '';
    const pids = [...detail.matchAll(/[Pp]rocess (\d+)/g)].map(([, pid]) => Number(pid));
    if (pids.some((pid) => this.world.ghostPids.has(pid))) {
      throw new BrokenPromise(`the victim of a deadlock with pg-ghost: ${textOf(error)}`);
    }
    this.deadlocks += 1;
    return true;
  }

  /** A loop over one connection, which is made again when the server was away. */
  async loop(name: string, signal: AbortSignal, step: (client: pg.Client) => Promise<void>) {
    const { world } = this;
    let crashes = world.crashes;
    await runConnectionLoop({
      signal,
      connect: async () => {
        crashes = world.crashes;
        return await world.connect(name);
      },
      step,
      failed: async (error, client) => {
        if (error instanceof Finished) return 'end';
        // TRUNCATE, and whoever reads the two tables in the other order.
        if (this.isConflictOfOurs(error)) {
          await client?.query('rollback').catch(() => undefined);
          return 'go on';
        }
        if (!isConnectionLoss(error)) throw error;
        // Nobody but us makes the server go away, so it must have been us.
        if (world.crashes === crashes && !world.serverIsDown) {
          throw new BrokenPromise(
            `${name} lost its connection though the server was there: ${textOf(error)}`,
          );
        }
        return 'reconnect';
      },
    });
  }

  /** One statement sees both tables at one moment. */
  async #count(random: Random, signal: AbortSignal) {
    const queries = [
      `select (select count(*) from public.t)::int as a, (select count(*) from m.mirror)::int as b`,
      `select (select count(*) from public.t)::int as b, (select count(*) from m.mirror)::int as a`,
      `select (select coalesce(sum(v), 0) from public.t)::int as a, (select coalesce(sum(v), 0) from m.mirror)::int as b`,
      ...(this.shape.hasView
        ? [
            `select (select count(*) from public.a_view where w > 0)::int as a, (select count(*) from m.mirror where w > 0)::int as b`,
          ]
        : []),
    ];
    await this.loop('reader', signal, async (client) => {
      const query = random.pick(queries);
      // Whatever the database's default is: in REPEATABLE READ the snapshot is from before the wait for the swap's lock, and
      // sees what is documented as stale.
      await client.query('begin isolation level read committed');
      const { rows } = await client.query(query);
      await client.query('commit');
      const { a, b } = rows[0];
      this.reads += 1;
      if (a !== b) throw new BrokenPromise(`a reader saw ${a} and ${b}: ${query}`);
      await sleep(random.int(20, 300));
    });
  }

  async #readLong(random: Random, signal: AbortSignal) {
    await this.loop('long reader', signal, async (client) => {
      const touchesFirst = random.chance(0.4);
      const before = await tableOid(client);
      const began = performance.now();
      await client.query('begin isolation level repeatable read');
      await client.query(`select count(*) from ${touchesFirst ? 'public.t' : 'parent'}`);
      const snapshotAt = performance.now();
      const oid = await tableOid(client);
      const seen: Record<'a' | 'a2' | 'b' | 'b2', number>[] = [];
      for (let i = random.int(1, 2); i > 0; i -= 1) {
        await sleep(random.int(0, 2_500));
        const { rows } = await client.query(
          `select (select count(*) from public.t)::int as a, (select coalesce(sum(v), 0) from public.t)::int as a2,
             (select count(*) from m.mirror)::int as b, (select coalesce(sum(v), 0) from m.mirror)::int as b2`,
        );
        seen.push(rows[0]);
      }
      const later = await tableOid(client);
      await client.query('commit');
      this.reads += 1;
      const wrong = seen.some(
        ({ a, a2, b, b2 }) => a !== b || a2 !== b2 || a !== seen[0]?.a || a2 !== seen[0].a2,
      );
      if (wrong) {
        const what = `a transaction ${touchesFirst ? 'that had the table open' : 'with a snapshot'} saw ${JSON.stringify(seen)}; table ${before}, ${oid}, then ${later}; its snapshot was ${((snapshotAt - this.cutoverBegan) / 1000).toFixed(2)} s after the cutover began, the transaction ${((began - this.cutoverBegan) / 1000).toFixed(2)} s`;
        // A statement that waits for the swap's lock has its snapshot already, and then reads the new table.
        const wasSwapped = before !== oid || (oid !== later && !touchesFirst);
        if (!wasSwapped || began < this.cutoverBegan) throw new BrokenPromise(what);
        this.staleReads += 1;
        this.world.note(`stale: ${what}`);
      }
      // So that the swap finds a moment without anybody.
      do await sleep(random.int(800, 4_000), undefined, { signal }).catch(() => undefined);
      while (this.isCalm && !signal.aborted);
    });
  }
}

/** Of PostgreSQL itself: while REINDEX CONCURRENTLY exchanges the indexes of a TOAST table, a reader may see none that is valid. */
function isReindexRace(error: unknown): boolean {
  return codeOf(error) === 'XX000' && textOf(error).includes('no valid index found for toast relation');
}

async function tableOid(client: pg.Client) {
  const { rows } = await client.query(`select to_regclass('public.t')::oid::text as oid`);
  return String(rows[0].oid);
}

/** Ends a loop. */
class Finished extends Error {}

class Writer {
  #load;
  #shape;
  #change;
  #random;
  #writer;
  #oid;
  /** The new shape is known. */
  #after = false;
  #fresh;
  #prepared = 0;

  constructor(load: Load, writer: number, random: Random, oid: string) {
    this.#load = load;
    this.#shape = load.shape;
    this.#change = load.change;
    this.#random = random;
    this.#writer = writer;
    this.#oid = oid;
    this.#fresh = load.shape.rowsPerWriter;
  }

  async run(signal: AbortSignal) {
    const name = `writer ${this.#writer}`;
    await this.#load.loop(name, signal, async (client) => {
      const transaction = this.#transaction('commit');
      await this.#attempt(client, transaction);
      // Without a pause four of them write faster than any apply on two cores.
      await sleep(this.#random.int(2, 14));
    });
  }

  /** Whoever has rows in a prepared transaction must not touch them meanwhile, so this one has rows of its own and waits. */
  async runTwoPhase(signal: AbortSignal) {
    const prefix = `${this.#load.world.database}-`;
    await this.#load.loop('two-phase writer', this.#load.world.over, async (client) => {
      const { rows } = await client.query(
        'select gid from pg_prepared_xacts where database = current_database()',
      );
      for (const { gid } of rows) {
        await client.query(`${this.#random.chance(0.6) ? 'commit' : 'rollback'} prepared '${gid}'`);
      }
      if (signal.aborted) throw new Finished();
      await sleep(this.#random.int(100, 2_000), undefined, { signal }).catch(() => undefined);
      if (this.#load.isCalm || signal.aborted) return;
      this.#prepared += 1;
      await this.#attempt(client, this.#transaction(`prepare transaction '${prefix}${this.#prepared}'`));
      await sleep(this.#random.int(50, 1_000), undefined, { signal }).catch(() => undefined);
    });
  }

  async #attempt(client: pg.Client, transaction: { statements: readonly string[]; pauses: boolean }) {
    try {
      await this.#send(client, transaction);
      this.#load.transactions += 1;
    } catch (error) {
      if (isConnectionLoss(error)) throw error;
      await client.query('rollback');
      await this.#judge(client, error, transaction.statements);
    }
  }

  async #send(client: pg.Client, { statements, pauses }: { statements: readonly string[]; pauses: boolean }) {
    if (!pauses) {
      await client.query(statements.join(';\n'));
      return;
    }
    for (const statement of statements) {
      await client.query(statement);
      if (this.#random.chance(0.4)) await sleep(this.#random.int(1, 150));
    }
  }

  async #judge(client: pg.Client, error: unknown, statements: readonly string[]) {
    const { world } = this.#load;
    const code = codeOf(error);
    if (this.#load.isConflictOfOurs(error)) return;
    // REINDEX CONCURRENTLY of a deferrable constraint: PostgreSQL checks the index that comes at once, and after the exchange
    // the one that goes (index_concurrently_swap).
    if (code === '23505' && /_cc(new|old)"/.test(textOf(error))) return;
    const oid = await tableOid(client);
    if (oid !== this.#oid && !this.#after) {
      world.note(
        `writer ${this.#writer} learns the new shape (${code === shapeChanged ? 'guard' : textOf(error)})`,
      );
      this.#oid = oid;
      this.#after = true;
      return;
    }
    throw new BrokenPromise(`writer ${this.#writer} got ${textOf(error)}\nin ${statements.join(';\n')}`);
  }

  #transaction(end: string): { statements: string[]; pauses: boolean } {
    const random = this.#random;
    let work = this.#work();
    if (random.chance(0.12)) work = [...work, ...this.#work()];
    if (random.chance(0.1)) {
      // Never of consequence.
      const lost = this.#work();
      work = [...work, 'savepoint s', ...lost, 'rollback to savepoint s', ...this.#update(this.#some())];
    }
    const guard = `select m.guard(${this.#oid})`;
    const begin = `begin${random.chance(0.06) ? ' isolation level repeatable read' : ''}`;
    const [first = '', ...rest] = work;
    const last = random.chance(0.05) ? 'rollback' : end;
    return {
      statements: [begin, first, guard, ...rest, last],
      pauses: !this.#load.isCalm && random.chance(0.05),
    };
  }

  #work(): string[] {
    const random = this.#random;
    const [a, b] = [this.#some(), this.#some()];
    const [few, many] = [random.int(0, 9), random.int(1, 60)];
    const keyIsFree = !(this.#shape.key === 'identity' && this.#shape.always);
    switch (random.int(0, 17)) {
      case 0:
      case 1:
        return this.#insert();
      case 2:
      case 3:
      case 4:
        return this.#update(a);
      case 5:
        return this.#both(({ table }) => `delete from ${table} where ${this.#is(a)}`);
      case 6:
        return this.#reinsert(a);
      case 7:
        return keyIsFree ? this.#changeKey(a) : this.#update(a);
      case 8:
        // A chain, and back again under another number.
        return keyIsFree
          ? [...this.#changeKey(a), ...this.#changeKey(a), ...this.#changeKey(b)]
          : this.#update(b);
      case 9:
        return this.#exchangeAtOnce(a, b);
      case 10:
        return this.#handOver(a, b);
      case 11:
        return this.#upsert();
      case 12:
        return this.#both(
          ({ table }) =>
            `update ${table} set v = v + 1 where w = ${this.#writer} and n between ${a} and ${a + many}`,
        );
      case 13:
        return this.#insertMany(random.int(2, 40));
      case 14:
        return this.#both(
          ({ table }) => `delete from ${table} where w = ${this.#writer} and n between ${a} and ${a + few}`,
        );
      case 15: {
        // Rows of everybody.
        const n = random.int(1, 50);
        return this.#both(({ table }) => `update ${table} set v = v + 1 where w = 0 and n = ${n}`);
      }
      case 16:
        if (this.#shape.hasChild) {
          return [...this.#update(a), `insert into child (ref) select k from public.t where ${this.#is(b)}`];
        }
        return this.#update(b);
      default:
        if (!this.#shape.truncates || this.#load.truncations >= 3 || random.chance(0.98))
          return this.#update(a);
        this.#load.truncations += 1;
        this.#load.world.note(`writer ${this.#writer} truncates`);
        return ['truncate public.t, m.mirror', ...this.#insertMany(200)];
    }
  }

  #some(): number {
    return this.#random.int(1, this.#fresh);
  }

  #is(n: number) {
    return `w = ${this.#writer} and n = ${n}`;
  }

  #both(statement: (side: Side) => string): string[] {
    return [statement(source), statement(mirror)];
  }

  /** What the column is called there. */
  #name(column: string, { isMirror }: Side) {
    return quoted((this.#after && !isMirror ? this.#change.renamed.get(column) : undefined) ?? column);
  }

  #isWritable(name: string) {
    return !this.#after || !this.#change.touched.has(name);
  }

  #insertable({ isMirror }: Side): string[] {
    const { touched, nulled, dropped } = this.#change;
    return insertedColumns(this.#shape).filter(
      (name) => !this.#after || !touched.has(name) || (nulled.has(name) && (isMirror || !dropped.has(name))),
    );
  }

  #value({ kind, required }: Column): string | null {
    if (!required && this.#random.chance(0.15)) return null;
    return kinds[kind]?.value(this.#random) ?? null;
  }

  /** @returns a whole new row */
  #newRow(): Map<string, string | null> {
    this.#fresh += 1;
    const n = this.#fresh;
    const values = keyValues(this.#shape, this.#writer, n);
    const row: Map<string, string | null> = new Map([
      ['w', String(this.#writer)],
      ['n', String(n)],
      ['v', '0'],
    ]);
    for (const [i, name] of this.#shape.keyColumns.entries()) row.set(name, values[i] ?? null);
    for (const column of this.#shape.columns) row.set(column.name, this.#value(column));
    for (const unique of this.#shape.uniques) {
      row.set(unique.name, this.#random.chance(0.9) ? uniqueValue(unique, this.#writer, n) : null);
    }
    if (this.#shape.referencesParent) row.set('owner', String(this.#random.int(1, 50)));
    if (this.#after) for (const name of this.#change.nulled) row.set(name, null);
    return row;
  }

  /** @param key an expression in place of the row's */
  #insertStatement(side: Side, row: ReadonlyMap<string, string | null>, key?: string) {
    const columns = this.#insertable(side).filter((name) => key !== '' || name !== 'k');
    const values = columns.map((name) =>
      name === 'k' && key !== undefined ? key : literal(row.get(name) ?? null),
    );
    const names = columns.map((name) => this.#name(name, side));
    return `insert into ${side.table} as x (${names.join(', ')}) overriding system value values (${values.join(', ')})`;
  }

  #insert() {
    const row = this.#newRow();
    const byItself = ['serial', 'identity'].includes(this.#shape.key) && this.#random.chance(0.7);
    if (!byItself) return this.#both((side) => this.#insertStatement(side, row));
    const key = `(select k::text::integer from public.t where ${this.#is(Number(row.get('n')))})`;
    return [
      this.#insertStatement(source, row, '').replace(' overriding system value', ''),
      this.#insertStatement(mirror, row, key),
    ];
  }

  #update(n: number) {
    const columns = this.#random
      .shuffled(this.#shape.columns.filter(({ name }) => this.#isWritable(name)))
      .slice(0, this.#random.int(0, 3))
      .map((column) => [column.name, this.#value(column)] as const);
    return this.#both((side) => {
      const assignments = columns.map(([name, value]) => `${this.#name(name, side)} = ${literal(value)}`);
      return `update ${side.table} set ${['v = v + 1', ...assignments].join(', ')} where ${this.#is(n)}`;
    });
  }

  #reinsert(n: number) {
    return this.#both((side) => {
      const columns = this.#insertable(side);
      const names = columns.map((name) => this.#name(name, side));
      const values = columns.map((name, i) => {
        if (name === 'v') return 'v + 1';
        return this.#after && this.#change.touched.has(name) ? 'null' : names[i];
      });
      return `with gone as (delete from ${side.table} where ${this.#is(n)} returning *)
        insert into ${side.table} (${names.join(', ')}) overriding system value select ${values.join(', ')} from gone`;
    });
  }

  #changeKey(n: number) {
    this.#fresh += 1;
    const values = keyValues(this.#shape, this.#writer, this.#fresh);
    const assignments = this.#shape.keyColumns.map((name, i) => `${name} = ${literal(values[i] ?? null)}`);
    return this.#both(
      ({ table }) => `update ${table} set ${assignments.join(', ')}, v = v + 1 where ${this.#is(n)}`,
    );
  }

  /** One statement, which only a deferrable constraint allows. */
  #exchangeAtOnce(a: number, b: number) {
    const unique = this.#shape.uniques.find(
      ({ kind, name }) => kind === 'deferrable' && this.#isWritable(name),
    );
    if (unique === undefined || a === b) return this.#update(a);
    const { name } = unique;
    const those = `w = ${this.#writer} and n in (${a}, ${b})`;
    return this.#both(
      ({ table }) =>
        `update ${table} as x set v = v + 1, ${name} = (select o.${name} from ${table} as o
           where o.w = x.w and o.n = case x.n when ${a} then ${b} else ${a} end)
         where ${those} and (select count(*) from ${table} where ${those}) = 2`,
    );
  }

  /** Unique values change hands by way of one that nobody else has. */
  #handOver(a: number, b: number) {
    const found = this.#shape.uniques.filter(({ name }) => this.#isWritable(name));
    if (found.length === 0 || a === b) return this.#update(a);
    const unique = this.#random.pick(found);
    const value = () => {
      this.#fresh += 1;
      return literal(uniqueValue(unique, this.#writer, this.#fresh));
    };
    const [x, y] = [value(), value()];
    const set = (to: string, n: number) =>
      this.#both(({ table }) => `update ${table} set ${unique.name} = ${to}, v = v + 1 where ${this.#is(n)}`);
    return [...set(x, a), ...set(y, a), ...set(x, b), ...(this.#random.chance(0.5) ? set(value(), a) : [])];
  }

  #upsert() {
    const row = this.#newRow();
    // Of a row that may be there.
    const values = keyValues(this.#shape, this.#writer, this.#some());
    for (const [i, name] of this.#shape.keyColumns.entries()) row.set(name, values[i] ?? null);
    const target = this.#shape.keyColumns.join(', ');
    return this.#both(
      (side) => `${this.#insertStatement(side, row)} on conflict (${target}) do update set v = x.v + 1`,
    );
  }

  #insertMany(count: number) {
    const from = this.#fresh + 1;
    this.#fresh += count;
    return this.#both((side) => {
      const columns = this.#insertable(side);
      const names = columns.map((name) => this.#name(name, side));
      const values = columns.map((name) =>
        this.#after && this.#change.nulled.has(name) ? 'null' : fillExpression(this.#shape, name),
      );
      return `insert into ${side.table} (${names.join(', ')}) overriding system value
        select ${values.join(', ')} from (values (${this.#writer})) as q (w), generate_series(${from}, ${from + count - 1}) as i`;
    });
  }
}
