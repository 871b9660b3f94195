/** Where a command takes a lock that somebody may hold: how to come there, and what the command says when it gives up. */
import {
  abort,
  finalize,
  status,
  type MigrationEvent,
  type MigrationStatus,
  type RunSettings,
} from '../../src/index.js';
import type { Point } from '../../src/run/points.js';
import type { TestDatabase } from '../support/database.js';
import { runChange, stopAfterCopy, type ChangeInput } from '../support/migration.js';
import { change, lockTimeoutMs, nativeChange } from './scene.js';

export interface Place {
  readonly name: string;
  /** What the lock is for, in events and ledger. */
  readonly what: string;
  /** That is blocked, without its schema, and the lock asked for on it. */
  readonly table: 't' | 'child' | 'parent';
  readonly mode: string;
  /** Where its migration stands afterwards; null: there is none. */
  readonly phase: string | null;
  /** Before anybody blocks. */
  readonly reach?: (db: TestDatabase) => Promise<unknown>;
  /** Blocks when the lock is due; ends when it had the lock, or gave up. */
  readonly command: (db: TestDatabase, scene: Scene) => Promise<unknown>;
}

export interface Scene {
  readonly block: () => Promise<void>;
  readonly onEvent?: (event: MigrationEvent) => void;
  readonly onPoint?: (point: Point) => Promise<void> | void;
  readonly deadlineMs?: number;
  readonly settings?: Partial<RunSettings>;
}

/** One with a deadline of its own. */
export interface Run extends Place {
  readonly made: ChangeInput;
  readonly code: string;
  readonly exitCode: number;
  /** Where the migration stands when it gave up; null: there is none. */
  readonly stopped: string | null;
}

/** A command that tells no events. */
export interface Removal extends Place {
  /** Of the session that asks. */
  readonly application: string;
}

/** Blocks before the run, or at a point of it. */
function running(made: ChangeInput, at: Point | null): Place['command'] {
  return async (db, { block, onEvent, onPoint, deadlineMs = 60_000, settings }) => {
    if (at === null) await block();
    await runChange(db, made, {
      settings: {
        lockTimeoutMs,
        // A wait that nothing but the hold's budget ends would be too long for the application.
        maxHoldMs: 2_000,
        cutoverDeadlineMs: deadlineMs,
        // However slow the machine is: it is tried, and not only looked.
        oldTransactionMs: 60_000,
        // The length of a wait is to be enough.
        harmPerTryMs: 60_000,
        ...settings,
      },
      ...(onEvent === undefined ? {} : { onEvent }),
      onPoint: async (point) => {
        if (point === at) await block();
        await onPoint?.(point);
      },
    });
  };
}

const swap = {
  what: 'the swap',
  mode: 'ACCESS EXCLUSIVE',
  made: change,
  code: 'cutover-not-obtained',
  exitCode: 5,
  stopped: 'cutover',
  phase: 'swapped',
  command: running(change, 'settled'),
} as const;

export const places = {
  capture: {
    name: 'switching capture on',
    what: 'switching capture on',
    table: 't',
    mode: 'SHARE ROW EXCLUSIVE',
    made: change,
    code: 'lock-not-obtained',
    exitCode: 1,
    stopped: null,
    phase: 'swapped',
    command: running(change, 'target-stored'),
  },
  swap: { ...swap, name: 'the swap', table: 't' },
  swapReferencing: { ...swap, name: 'the swap, on a table that references', table: 'child' },
  swapReferenced: { ...swap, name: 'the swap, on a table that is referenced', table: 'parent' },
  validate: {
    name: 'validating a foreign key',
    what: 'validating foreign key to_t of public.child',
    table: 'child',
    mode: 'SHARE UPDATE EXCLUSIVE',
    made: change,
    code: 'lock-not-obtained',
    exitCode: 1,
    stopped: 'swapped',
    phase: 'swapped',
    command: running(change, 'leftovers-removed'),
  },
  native: {
    name: 'a native change',
    what: 'the change itself',
    table: 't',
    mode: 'ACCESS EXCLUSIVE',
    made: nativeChange,
    code: 'lock-not-obtained',
    exitCode: 1,
    stopped: null,
    phase: null,
    command: running(nativeChange, null),
  },
} as const satisfies Record<string, Run>;

export const abortPlace: Removal = {
  name: 'abort',
  application: 'pg-ghost 1 abort',
  what: 'switching capture off',
  table: 't',
  mode: 'ACCESS EXCLUSIVE',
  phase: 'aborted',
  reach: (db) => stopAfterCopy(db, change),
  async command(db, { block }) {
    await block();
    await abort({ connection: { url: db.url } }, 1);
  },
};

/** It drops the old table, which has the schema of its own. */
export const finalizePlace: Removal = {
  name: 'finalize',
  application: 'pg-ghost 1 finalize',
  what: 'dropping ghost_old_1.t',
  table: 't',
  mode: 'ACCESS EXCLUSIVE',
  phase: 'finalized',
  reach: (db) => runChange(db, change),
  async command(db, { block }) {
    await block();
    await finalize({ connection: { url: db.url } }, 1);
  },
};

export async function statusOf(db: TestDatabase, id = 1): Promise<MigrationStatus | null> {
  const found = await status({ connection: { url: db.url } });
  return found.find((each) => each.id === id) ?? null;
}
