/** Which session settings each kind of work gets. */
import { literal } from '../sql/quote.js';

/**
 * For work whose effect and whose record of it commit together: a crash loses both or neither, so waiting for the
 * disk, or for a synchronous standby, buys nothing. And for a run's sign of life, which a crash ends anyway.
 */
export const relaxedCommit: Readonly<Record<string, string>> = { synchronous_commit: 'off' };

/**
 * How values and definitions travel as text: in forms that are read back as what they were, in any session. pg_dump
 * uses the same.
 */
const textSettings: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  xmloption: 'content',
};

/**
 * Those of our own work: the catalog, the state, and every text that PostgreSQL has printed under these. With an empty
 * `search_path` names without a schema are those of pg_catalog, and no function, operator or type of the user's can be
 * taken for them, whatever the role's path is. Expressions of the user's are evaluated under the user's settings
 * instead: `Session.under`.
 */
export const ownSettings: Readonly<Record<string, string>> = { search_path: '', ...textSettings };

/** To be put before other statements of a transaction, and valid to its end. */
export function localSettings(settings: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(settings);
  if (entries.length === 0) return [];
  // Not SET: it takes a list of schemas for the name of one.
  const calls = entries.map(
    ([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`,
  );
  return [`select ${calls.join(', ')}`];
}
