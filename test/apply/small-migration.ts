/**
 * Source, shadow and log as a migration has them, built by hand: the phases can then be taken one by one, with writes
 * between them.
 */
import type pg from 'pg';
import {
  catchUp,
  drain,
  planDrain,
  prepareDrain,
  type CatchUpOptions,
  type CatchUpResult,
} from '../../src/apply/applier.js';
import { applyPlan, type ApplyPlan } from '../../src/apply/apply-plan.js';
import { applyBatch } from '../../src/apply/batch.js';
import { blocksRange } from '../../src/pieces/row-range.js';
import { applySettings, purgeSql } from '../../src/apply/apply-sql.js';
import type { Capture } from '../../src/capture/capture.js';
import { openCapture } from '../../src/capture/open-capture.js';
import { captureStatements } from '../../src/capture/triggers/trigger-sql.js';
import { readTableShape } from '../../src/catalog/shape.js';
import type { TableShape } from '../../src/model/table-shape.js';
import { runCopy, type CopyOptions } from '../../src/copy/copier.js';
import type { CopyStream } from '../../src/copy/copy-plan.js';
import { Session } from '../../src/db/session.js';
import type { Key } from '../../src/model/key.js';
import { crewOf } from '../../src/pieces/crew.js';
import type { Projection } from '../../src/model/projection.js';
import { toldForward } from '../../src/stream/stream.js';
import { waysOf } from '../../src/stream/way.js';
import { projectionSql } from '../../src/sql/projection-sql.js';
import { ident } from '../../src/sql/quote.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

export const id = 1;
export const source = { schema: 'public', name: 't' };
const shadow = { schema: 'ghost_new_1', name: 't' };

export interface SmallMigrationOptions {
  /** Columns and constraints of `public.t`; its primary key is the migration's key. */
  readonly source: string;
  /** Columns of the shadow; the source's when not given. */
  readonly shadow?: string;
  /** Run before the tables are made: extensions, types. */
  readonly before?: string;
  /** Rows that are there before the migration begins. */
  readonly seed?: string;
  /** What follows `alter table` or `create unique index on` of the shadow; its primary key when not given. */
  readonly indexes?: readonly string[];
  /** How columns of the shadow are computed, where they are not just passed on. */
  readonly expressions?: Readonly<Record<string, string>>;
  /** Key columns under other names in the shadow. */
  readonly renamed?: Readonly<Record<string, string>>;
}

export class SmallMigration implements AsyncDisposable {
  private constructor(
    readonly db: TestDatabase,
    /** The applier's. */
    readonly session: Session,
    private readonly options: SmallMigrationOptions,
    private readonly sourceShape: TableShape,
    readonly key: Key,
    readonly projection: Projection,
  ) {}

  /** Up to capture being on. */
  static async start(options: SmallMigrationOptions): Promise<SmallMigration> {
    const db = await createDatabase(`
      create schema ghost;
      create schema ghost_new_1;
      ${options.before ?? ''};
      create table public.t (${options.source});
      create table ghost_new_1.t (${options.shadow ?? 'like public.t including generated'}) with (autovacuum_enabled = off);
      create table ghost.done (from_block bigint, to_block bigint, rows bigint);
      ${options.seed ?? ''}`);
    try {
      const session = await Session.open({ connection: { url: db.url } });
      const sourceShape = await shapeOf(session, 'public.t');
      const target = await shapeOf(session, 'ghost_new_1.t');
      const key = keyOf(sourceShape, target, options);
      const migration = new SmallMigration(
        db,
        session,
        options,
        sourceShape,
        key,
        projectionOf(sourceShape, target, options),
      );
      await session.batch(captureStatements({ suffix: String(id), table: source, key }));
      return migration;
    } catch (error) {
      await db[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Up to the indexes being built, with no write on the way. */
  static async ready(options: SmallMigrationOptions): Promise<SmallMigration> {
    const migration = await SmallMigration.start(options);
    await migration.copy();
    await migration.purge();
    await migration.buildIndexes();
    return migration;
  }

  #capture: Capture | null = null;

  get capture(): Capture {
    this.#capture ??= openCapture('triggers', {
      direction: 'forward',
      id,
      identity: '',
      suffix: String(id),
      table: source,
      key: this.key,
      active: { now: 0, read: () => Promise.resolve(0), storeStatement: () => 'select' },
    });
    return this.#capture;
  }

  /** An application's statement. */
  async write(text: string): Promise<pg.QueryResult> {
    return await this.db.query(text);
  }

  get copyPlan(): CopyStream {
    return {
      id,
      from: source,
      to: shadow,
      projection: this.projection,
      settings: {},
      key: this.key,
      told: toldForward,
    };
  }

  async copy(options: Partial<CopyOptions> = {}): Promise<number> {
    const { blocks } = await this.session.row<{ blocks: number }>(
      `select pg_relation_size('public.t') / current_setting('block_size')::int as blocks`,
    );
    const { rowsCopied } = await runCopy({
      plan: this.copyPlan,
      crew: crewOf([this.session]),
      totalBlocks: blocks,
      blockBytes: 8192,
      toastBytes: 0,
      done: [],
      rowsDone: 0,
      chunkTimeMs: () => 500,
      checkpoint: (chunk) => ({
        text: 'insert into ghost.done values ($1, $2, $3)',
        values: [chunk.blocks.from, chunk.blocks.to, chunk.rows],
      }),
      checkSource: async () => {},
      ...options,
    });
    return rowsCopied;
  }

  async purge(): Promise<number> {
    return await this.session.execute(purgeSql(await this.applyPlan()));
  }

  async buildIndexes(): Promise<void> {
    const primary = this.key.columns.map((column) => ident(column.targetName)).join(', ');
    const indexes = this.options.indexes ?? [
      `alter table ghost_new_1.t add constraint t_pkey primary key (${primary})`,
    ];
    await this.session.batch(indexes);
  }

  async applyPlan(): Promise<ApplyPlan> {
    return applyPlan({
      id,
      way: waysOf(
        {
          key: this.key,
          projection: this.projection,
          columns: [],
          settings: {},
          source: this.sourceShape,
        },
        await shapeOf(this.session, 'ghost_new_1.t'),
      ).forward,
      from: source,
      to: shadow,
      log: this.capture.log,
    });
  }

  async catchUp(options: Partial<CatchUpOptions> = {}): Promise<CatchUpResult> {
    return await catchUp({
      plan: await this.applyPlan(),
      session: this.session,
      log: this.capture.keeper,
      ...options,
    });
  }

  /** Applies the nth entry of the log (counted by position, in a log of one block or more) as a batch of its own. */
  async applyEntries(nth: number): Promise<void> {
    const { rows } = await this.db.query<{ block: number; item: number }>(
      `select (ctid::text::point)[0]::int as block, (ctid::text::point)[1]::int as item from ghost.log_1 order by ctid`,
    );
    const entry = rows[nth - 1] ?? rows.at(-1);
    if (entry === undefined) return;
    const table = { schema: 'ghost', name: 'log_1' };
    const from = blocksRange(entry.block, entry.block).from + entry.item;
    await applyBatch(
      this.session,
      await this.applyPlan(),
      { table, range: { from, to: from + 1 } },
      { clearHolders: false },
    );
  }

  async drain(): Promise<number> {
    const plan = await this.readyToDrain();
    return await this.session.transaction(async () => {
      await this.session.batch(['lock table public.t in access exclusive mode']);
      return await drain(this.session, plan);
    });
  }

  /** The session as the cutover has it before the lock; as often as a test likes. */
  async readyToDrain(): Promise<ApplyPlan> {
    const plan = await this.applyPlan();
    await this.session.set(applySettings);
    // Not those of the protocol, of which the client keeps a list of its own.
    const prepared = await this.session.rows<{ name: string }>(
      'select name from pg_prepared_statements where from_sql',
    );
    await this.session.batch(prepared.map(({ name }) => `deallocate ${ident(name)}`));
    await prepareDrain(this.session, plan);
    await planDrain(this.session, plan);
    return plan;
  }

  /** Rows that only one of the two tables has: none when they are in sync. Duplicates count. */
  async differences(): Promise<unknown[]> {
    const target = await shapeOf(this.session, 'ghost_new_1.t');
    const columns = target.columns.filter((column) => column.generated === 'none');
    const cast = columns.map((column) => `${ident(column.name)}::${column.type}`).join(', ');
    const wanted = `select ${cast} from (${projectionSql(this.projection, { from: 'only public.t' })}) as s`;
    const actual = `select ${cast} from ghost_new_1.t`;
    const { rows } = await this.db.query<{ row: unknown }>(`
      select to_jsonb(d) as row
      from (
        select 'missing' as what, m.* from (${wanted} except all ${actual}) as m
        union all
        select 'too much', m.* from (${actual} except all ${wanted}) as m
      ) as d`);
    return rows.map((row) => row.row);
  }

  /** The keys in the log, sorted. */
  async logged(): Promise<unknown[]> {
    const { rows } = await this.db.query<{ entry: unknown[] }>(`
      select array(select value from jsonb_each_text(to_jsonb(l)) order by key) as entry
      from (select * from ghost.log_1 union all select * from ghost.log_b_1 union all select * from ghost.pending_1) as l
      order by 1`);
    return rows.map(({ entry }) => (entry.length === 1 ? entry[0] : entry));
  }

  /** Entries in all tables of the log. */
  async backlog(): Promise<number> {
    return (await this.logged()).length;
  }

  async count(from: string): Promise<number> {
    const { rows } = await this.db.query<{ n: number }>(`select count(*)::int as n from ${from}`);
    return rows[0]?.n ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.close();
    await this.db[Symbol.asyncDispose]();
  }
}

async function shapeOf(session: Session, name: string): Promise<TableShape> {
  const { oid } = await session.row<{ oid: number }>(`select '${name}'::regclass::oid as oid`);
  return await readTableShape(session, oid);
}

function keyOf(from: TableShape, to: TableShape, { expressions, renamed }: SmallMigrationOptions): Key {
  const index = from.indexes.find((each) => each.primary);
  if (index === undefined) throw new Error('public.t needs a primary key');
  const columns = index.keys.map((key) => {
    const column = from.columns.find((each) => each.name === key.column);
    const target = to.columns.find((each) => each.name === (renamed?.[key.column ?? ''] ?? key.column));
    if (column === undefined || target === undefined)
      throw new Error(`no column ${key.column} in both tables`);
    return {
      name: column.name,
      type: column.type,
      collation: column.collation,
      targetName: target.name,
      targetType: target.type,
    };
  });
  const layer = columns.map(({ name, targetName }) => ({
    name: targetName,
    expression: expressions?.[targetName] ?? ident(name),
  }));
  return { index: index.name, columns, projection: { alias: 't', layers: [layer] }, needsHelperIndex: false };
}

function projectionOf(
  from: TableShape,
  to: TableShape,
  { expressions, renamed = {} }: SmallMigrationOptions,
): Projection {
  const sources = new Map(Object.entries(renamed).map(([name, target]) => [target, name]));
  const layer = to.columns
    .filter((column) => column.generated === 'none')
    .map(({ name }) => ({ name, expression: expressions?.[name] ?? ident(sources.get(name) ?? name) }));
  return { alias: from.name.name, layers: [layer] };
}
