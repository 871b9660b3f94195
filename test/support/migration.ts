/** Running the tool in tests: through the library, with fast settings, and with PostgreSQL's own ALTER as the oracle. */
import { inject } from 'vitest';
import type { Point } from '../../src/run/points.js';
import {
  finalize,
  migrate,
  type ChangeRequest,
  type MigrateOptions,
  type MigrationEvent,
  type MigrationResult,
} from '../../src/index.js';
import type { TestDatabase } from './database.js';

/** How the migrations of the tests capture, where a test does not say it. */
export const captureUnderTest = inject('capture');

/** The same where the table allows it: for cases of which some are about tables that only triggers can capture, unlogged ones say. */
export const captureWherePossible = captureUnderTest === 'logical' ? 'auto' : captureUnderTest;

export interface ChangeInput {
  readonly table: string;
  readonly alter?: readonly string[];
  readonly statements?: readonly string[];
  readonly set?: ChangeRequest['set'];
  readonly reverse?: ChangeRequest['reverse'];
  readonly rewrite?: boolean;
  readonly matviews?: 'refuse' | 'recreate';
  readonly allowPublicationAll?: boolean;
}

export function request(change: ChangeInput): ChangeRequest {
  return {
    table: change.table,
    alter: change.alter ?? [],
    statements: change.statements ?? [],
    set: change.set ?? [],
    rewrite: change.rewrite ?? false,
    ...(change.reverse === undefined ? {} : { reverse: change.reverse }),
    ...(change.matviews === undefined ? {} : { matviews: change.matviews }),
    ...(change.allowPublicationAll === undefined ? {} : { allowPublicationAll: change.allowPublicationAll }),
  };
}

export interface Recorded {
  readonly result: MigrationResult;
  readonly events: readonly MigrationEvent[];
}

/** Runs a migration up to the swap, without a rollback window: the table is then all that there is to look at. */
export async function runChange(
  db: Pick<TestDatabase, 'url'>,
  change: ChangeInput,
  { settings, ...options }: Partial<MigrateOptions> & { readonly url?: string } = {},
): Promise<Recorded> {
  return await swapChange(db, change, {
    ...options,
    settings: { withoutRollbackWindow: true, ...settings },
  });
}

/** The same with one, as it is by default. */
export async function swapChange(
  db: Pick<TestDatabase, 'url'>,
  change: ChangeInput,
  options: Partial<MigrateOptions> & { readonly url?: string } = {},
): Promise<Recorded> {
  const events: MigrationEvent[] = [];
  const { url = db.url, onEvent, settings, ...rest } = options;
  const result = await migrate({
    connection: { url },
    request: request(change),
    settings: { cutoverDeadlineMs: 30_000, capture: captureUnderTest, ...settings },
    onEvent: (event) => {
      events.push(event);
      onEvent?.(event);
    },
    ...rest,
  });
  return { result, events };
}

/** Runs a migration to its end, old table dropped. */
export async function completeChange(
  db: TestDatabase,
  change: ChangeInput,
  options: Partial<MigrateOptions> & { readonly url?: string } = {},
): Promise<Recorded> {
  const recorded = await swapChange(db, change, options);
  if (recorded.result.id !== null)
    await finalize({ connection: { url: options.url ?? db.url } }, recorded.result.id);
  return recorded;
}

/** A migration that has copied and waits to be continued. */
export async function stopAfterCopy(db: Pick<TestDatabase, 'url'>, change: ChangeInput): Promise<void> {
  await stopAtPoint(db, change, 'copied');
}

/** A migration that was stopped there. */
export async function stopAtPoint(
  db: Pick<TestDatabase, 'url'>,
  change: ChangeInput,
  at: Point,
  options: Pick<MigrateOptions, 'settings'> = {},
): Promise<void> {
  const stop = new AbortController();
  await failure(
    runChange(db, change, {
      ...options,
      signal: stop.signal,
      onPoint: (point) => {
        if (point === at) stop.abort();
      },
    }),
  );
}

/** The error of something that must fail. */
export async function failure(work: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await work;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error('it was expected to fail, and did not');
}
