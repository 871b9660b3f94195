/**
 * The settings under which PostgreSQL writes expressions and definitions so that they mean the same in any session: with
 * an empty `search_path` every name outside of pg_catalog is qualified, and constants are written in forms that do
 * not depend on the reader's settings. pg_dump uses the same.
 */
import type { Session } from '../db/session.js';
import { localSettings, ownSettings } from '../db/settings.js';
import { literal } from '../sql/quote.js';

const deparseSettings: Readonly<Record<string, string>> = {
  ...ownSettings,
  quote_all_identifiers: 'off',
  // The catalog queries are asked again and again, by name. Planning one costs several times what its answer does, and its plan is
  // the same for every table.
  plan_cache_mode: 'force_generic_plan',
};
const names = Object.keys(deparseSettings);
const saveSql = `select array[${names.map((name) => `pg_catalog.current_setting(${literal(name)})`).join(', ')}] as values`;

/**
 * Runs catalog queries under these settings. Inside a transaction of the caller it stays in that transaction and
 * puts the settings back afterwards; outside of one it opens its own, so that all queries see one snapshot.
 */
export async function withDeparseSettings<T>(session: Session, work: () => Promise<T>): Promise<T> {
  if (!session.isInTransaction)
    return await session.transaction(work, { isolation: 'repeatable read', settings: deparseSettings });
  const [saved] = await session.results([saveSql, ...localSettings(deparseSettings)]);
  const values = saved?.rows[0]?.['values'] as readonly string[];
  try {
    return await work();
  } finally {
    // In an aborted transaction this fails, and the rollback puts everything back anyway.
    const former = Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
    await session.batch(localSettings(former)).catch(() => undefined);
  }
}
