/**
 * An index of our own on the shadow, for changes that leave it without one that finds rows by the migration's key.
 * Unique: two source rows whose keys become the same in the shadow cannot be kept apart, and that must come out.
 */
import type { Key } from '../model/key.js';
import { ident, identList, qualified } from '../sql/quote.js';
import type { IndexBuild } from './index-build-sql.js';

export interface HelperIndexFacts {
  readonly id: number;
  readonly schema: string;
  readonly table: string;
  readonly key: Key;
}

/** None when the shadow's own indexes will do. */
export function helperIndexBuilds({ id, schema, table, key }: HelperIndexFacts): IndexBuild[] {
  if (!key.needsHelperIndex) return [];
  const name = helperIndexName(id);
  const columns = identList(key.columns.map((column) => column.targetName));
  const statement = `create unique index ${ident(name)} on ${qualified({ schema, name: table })} (${columns})`;
  return [{ name, kind: 'index', statement }];
}

/** For the swap: the new table must not have it. */
export function dropHelperIndexStatements({ id, schema, key }: HelperIndexFacts): string[] {
  return key.needsHelperIndex
    ? [`drop index if exists ${qualified({ schema, name: helperIndexName(id) })}`]
    : [];
}

export function helperIndexName(id: number): string {
  return `ghost_key_${id}`;
}
