/**
 * The settings under which PostgreSQL writes expressions and definitions so that they mean the same in any session: with
 * an empty `search_path` every name outside of pg_catalog is qualified, and constants are written in forms that do
 * not depend on the reader's settings. pg_dump uses the same.
 */
import type { Session } from '../db/session.js';
import { ownSettings } from '../db/settings.js';
import { literal } from '../sql/quote.js';

const deparseSettings: Readonly<Record<string, string>> = { ...ownSettings, quote_all_identifiers: 'off' };
const names = Object.keys(deparseSettings);

/**
 * Runs catalog queries under these settings. Inside a transaction of the caller it stays in that transaction and
 * puts the settings back afterwards; outside of one it opens its own, so that all queries see one snapshot.
 */
export async function withDeparseSettings<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const saved = await session.row<{ values: string[] }>({
    text: `select array(select pg_catalog.current_setting(name) from unnest($1::text[]) with ordinality as n (name, i) order by i) as values`,
    values: [names],
  });
  // A local setting lasts until the next statement only where there is a transaction around both.
  await setLocal(session, Object.values({ ...deparseSettings, ...probe }), [...names, ...Object.keys(probe)]);
  const { inside } = await session.row<{ inside: boolean }>(
    `select coalesce(current_setting('pg_ghost.transaction', true), '') = 'open' as inside`,
  );
  if (!inside)
    return await session.transaction(work, { isolation: 'repeatable read', settings: deparseSettings });
  try {
    return await work();
  } finally {
    // In an aborted transaction this fails, and the rollback puts everything back anyway.
    await setLocal(session, [...saved.values, ''], [...names, ...Object.keys(probe)]).catch(() => undefined);
  }
}

const probe = { 'pg_ghost.transaction': 'open' } as const;

async function setLocal(
  session: Session,
  values: readonly string[],
  settings: readonly string[],
): Promise<void> {
  await session.rows({
    text: `select ${settings.map((name, index) => `pg_catalog.set_config(${literal(name)}, $${index + 1}, true)`).join(', ')}`,
    values,
  });
}
