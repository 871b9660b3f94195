/** What migrations have left in the database that its state does not know, or knows to be over. */
import { advice, doing, type Text } from '../advice.js';
import { Session } from '../db/session.js';
import { isOver } from '../model/phase.js';
import { lookUpMigrations } from '../run/find-table.js';
import type { CommonOptions } from '../run/run-options.js';
import type { MigrationIdentity } from '../sql/marks.js';
import { displayName } from '../sql/quote.js';
import { rehearsalId } from '../swap/rehearse-plan.js';
import { readMarkedMigrations, readMigrationSlots, readOwnObjects } from '../state/own-objects.js';
import { breakOffWhenAsked, connectingSignal, explained } from './server-errors.js';

export interface Leftover {
  /** Of the migration; the state may have none of this number, or another one. */
  readonly id: number;
  /** `slot ghost_7_...`, `publication ghost_capture_7`. */
  readonly things: readonly string[];
  readonly next: Text;
}

/** By the marks in this database and the names of its slots. Changes nothing. */
export async function leftovers(options: CommonOptions): Promise<Leftover[]> {
  return await explained(options, 'nothing was changed', async () => {
    await using session = await Session.open({
      own: true,
      connection: options.connection,
      applicationName: 'pg-ghost status',
      ...connectingSignal(options),
    });
    breakOffWhenAsked(options, session);
    return await look(session);
  });
}

/** The row of a migration is there before anything else of it, and goes with the last: what is left is looked for first. */
async function look(session: Session): Promise<Leftover[]> {
  const marked = new Map<string, MigrationIdentity>();
  for (const { id, identity } of [
    ...(await readMarkedMigrations(session)),
    ...(await readMigrationSlots(session)),
  ])
    if (id !== rehearsalId) marked.set(identity, { id, identity });
  if (marked.size === 0) return [];
  const { records } = await lookUpMigrations(session);
  for (const { identity, phase } of records) if (!isOver(phase)) marked.delete(identity);
  const found: Leftover[] = [];
  for (const each of marked.values()) {
    const things = await thingsOf(session, each);
    if (things.length === 0) continue;
    found.push({ id: each.id, things, next: advice`${doing('abort', each.id)} removes it` });
  }
  return found.toSorted((one, other) => one.id - other.id);
}

async function thingsOf(session: Session, marked: MigrationIdentity): Promise<string[]> {
  const { schemas, functions, tables, types, triggers, publications, slots } = await readOwnObjects(
    session,
    marked,
  );
  return [
    ...slots.map((name) => `slot ${name}`),
    ...new Set(publications.map(({ name }) => `publication ${name}`)),
    ...triggers.map(({ name, table }) => `trigger ${name} on ${displayName(table)}`),
    ...schemas.map(({ name }) => `schema ${name}`),
    ...functions.map((name) => `function ${displayName(name)}`),
    ...tables.map((name) => `table ${displayName(name)}`),
    ...types.map((name) => `type ${displayName(name)}`),
  ];
}
