/** What every phase of one run is handed. */
import type { Balance } from '../apply/balance.js';
import type { TableShape } from '../model/table-shape.js';
import type { Capture } from '../capture/capture.js';
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { Session } from '../db/session.js';
import { ownSettings } from '../db/settings.js';
import type { Direction } from '../model/direction.js';
import type { QualifiedName } from '../model/name.js';
import type { CopyPlan } from '../model/plan.js';
import type { Emit } from '../model/event.js';
import type { Killed } from '../locks/kill-blockers.js';
import type { HelperIndexFacts } from '../ddl/helper-index-sql.js';
import { joinRun } from '../state/fence.js';
import type { MigrationIdentity } from '../sql/marks.js';
import { findMigration } from '../state/migrations.js';
import { targetOf } from '../state/stored-plan.js';
import type { AtPoint } from './points.js';
import type { LedgerBook } from './ledger-book.js';
import type { Steering } from './steering.js';
import type { MigrateOptions } from './run-options.js';
import type { RunSettings } from '../settings/run-settings.js';

/** Which swap a run is on the way to. */
export interface Turn {
  /** To which of the two tables. */
  readonly direction: Direction;
  /** The change itself; a later one exchanges tables that are both there whole. */
  readonly isFirst: boolean;
  /** It ends when the table that is kept has caught up, or follows until it is stopped; nothing is exchanged. */
  readonly sync?: { readonly follow: boolean };
}

export const firstTurn: Turn = { direction: 'forward', isFirst: true };

export interface RunContext extends MigrationIdentity {
  readonly turn: Turn;
  /** What is migrated: one table, or several that are swapped together. */
  readonly tables: readonly TableContext[];
  /** Holds the runner's lock; reads and writes the state. */
  readonly control: Session;
  readonly sessions: RunSessions;
  /** What may change while the run is under way. */
  readonly steering: Steering;
  readonly ledger: LedgerBook;
  /** What brings keys into the logs, where writes do not do it themselves. */
  readonly feeds: AsyncDisposable & { start(tables: readonly TableContext[]): Promise<void> };
  /** Sees and cancels what another session waits for. */
  readonly watcher: Session;
  /** As they are now: `set` changes them. */
  readonly settings: RunSettings;
  readonly emit: Emit;
  /** Aborts when the user wants to stop, or when the control session is lost. */
  readonly signal: AbortSignal;
  /** Between two durable steps; see points.ts. */
  readonly at: (point: Parameters<AtPoint>[0]) => Promise<void>;
  readonly beforeCutover: MigrateOptions['beforeCutover'] | null;
}

/** One table of a migration, as its run works on it. */
export interface TableWork {
  /** Its number in the migration: 1, 2, ... */
  readonly no: number;
  /** The present one: DDL beside the run may give it another (follow-source.ts), so it is not to be kept over a wait. */
  readonly plan: CopyPlan;
  /** In the one place that has stored it. */
  readonly replacePlan: (plan: CopyPlan) => void;
  /** Schemas of the shadow and of the old table. */
  readonly schemas: { readonly shadow: string; readonly old: string };
  readonly capture: Capture;
  /** What begins with the swap: it collects what is written for the way that the next one takes. null: nobody does. */
  readonly next: Capture | null;
  /** The shape of the table that comes into use, where it is there already; null where it is being built. */
  readonly waiting: TableShape | null;
  /** Where apply holds what only the table that comes into use has; null where that has nothing of the kind. */
  readonly holding: QualifiedName | null;
  /** Schemas of the statistics objects of the table from before the change, by their names. */
  readonly statisticsHomes: ReadonlyMap<string, string>;
  /** Of the rows of the two tables, where keys may collide. */
  readonly balance: Balance;
}

/** The run, seen from one of its tables: what is done for each table is handed this. */
export interface TableContext extends RunContext, TableWork {}

/** Both have getters, which go on telling what is so at the moment. */
export function onTable(run: RunContext, table: TableWork): TableContext {
  const parts = { ...Object.getOwnPropertyDescriptors(run), ...Object.getOwnPropertyDescriptors(table) };
  return Object.defineProperties({}, parts) as TableContext;
}

/** The table by which people know the migration. */
export function firstTable({ tables }: Pick<RunContext, 'tables'>): TableContext {
  const [first] = tables;
  if (first === undefined) throw new Error('a migration has at least one table');
  return first;
}

/** Opens sessions that belong to a run: pinned, fenced, and known, so that they can all be cancelled. */
export class RunSessions {
  readonly #open = new Set<Session>();

  constructor(
    readonly connection: ConnectionOptions,
    private readonly run: {
      readonly id: number;
      readonly runNo: number;
      readonly pinned: Readonly<Record<string, string>>;
    },
  ) {}

  /**
   * @param purpose shown in pg_stat_activity
   * @param settings on top of the pinned ones
   */
  async open(purpose: string, settings: Readonly<Record<string, string>> = {}): Promise<Session> {
    const session = await Session.open({
      own: true,
      user: this.run.pinned,
      connection: this.connection,
      // What is evaluated for the user is evaluated under all of the pinned ones: `Session.under`.
      settings: { ...this.run.pinned, ...ownSettings, ...settings },
      applicationName: `pg-ghost ${this.run.id} ${purpose}`,
    });
    this.#open.add(session);
    try {
      await joinRun(session, this.run.id, this.run.runNo);
    } catch (error) {
      await this.release(session);
      throw error;
    }
    return session;
  }

  /** Opens a session, runs `work`, and closes it whatever happens. */
  async use<T>(
    purpose: string,
    work: (session: Session) => Promise<T>,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const session = await this.open(purpose, settings);
    try {
      return await work(session);
    } finally {
      await this.release(session);
    }
  }

  async release(session: Session): Promise<void> {
    this.#open.delete(session);
    await session.close();
  }

  /** For the end of a run, whatever it was. */
  async releaseAll(): Promise<void> {
    await Promise.all([...this.#open].map((session) => this.release(session)));
  }

  /** Cancels whatever statement runs now, in each of them, through a connection of its own. */
  async cancelAll(): Promise<void> {
    const pids = [...this.#open].map((session) => session.pid);
    if (pids.length === 0) return;
    await using canceller = await Session.open({
      own: true,
      connection: this.connection,
      applicationName: 'pg-ghost cancel',
    });
    await canceller.rows({
      text: `select pg_cancel_backend(pid) from unnest($1::int[]) as pid`,
      values: [pids],
    });
  }
}

/**
 * Runs `work` on the control session or, when that one is gone, on another: for what must be said or cleaned up after a
 * lost connection.
 */
export async function onAnySession<T>(
  context: Pick<RunContext, 'control' | 'sessions' | 'id'>,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  if (!context.control.lost.aborted) return await work(context.control);
  await using session = await Session.open({
    own: true,
    connection: context.sessions.connection,
    applicationName: `pg-ghost ${context.id} afterwards`,
  });
  return await work(session);
}

export function helperIndexFacts(context: TableContext): HelperIndexFacts {
  const { id, plan, schemas } = context;
  return { id, schema: schemas.shadow, table: plan.table.name, key: plan.key };
}

/** The shape that the shadow must have at the swap, as the changed clone had it. */
export async function expectedTarget(context: TableContext): Promise<TableShape> {
  const { id, no, waiting } = context;
  if (waiting !== null) return waiting;
  const record = await findMigration(context.control, id);
  const table = record?.tables.find((each) => each.no === no);
  const target = record === null || table === undefined ? null : targetOf(record, table);
  if (target === null) throw new Error(`migration ${context.id} was never prepared`);
  return target;
}

/** Who is in the way too long is ended, if the user asked for it. */
export function killing({ settings, emit }: Pick<RunContext, 'settings' | 'emit'>): {
  readonly killBlockers?: { readonly afterMs: number };
  readonly onKill: (killed: Killed) => void;
} {
  const { killBlockersAfterMs: afterMs } = settings;
  return {
    ...(afterMs === null ? {} : { killBlockers: { afterMs } }),
    onKill: ({ pid, how, why }) => emit('lock:blocker', { pid, how, why }),
  };
}
