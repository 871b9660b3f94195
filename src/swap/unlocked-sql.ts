/**
 * What others may still change while the swap holds its locks: GRANT and CREATE OR REPLACE FUNCTION lock no relation. Looked at
 * with the source, and once more right before the tables change places: what came in between would stay with the old table.
 */
import { literal, sql } from '../sql/quote.js';

export interface Unlocked {
  readonly relations: readonly number[];
  readonly functions: readonly number[];
}

/** Once in a session: plans it, and loads what is loaded at the first use, so that neither is done under the lock. */
export function prepareUnlockedStatements(facts: Unlocked): string[] {
  return [`prepare ghost_unlocked as ${unlockedSql(facts)}`, readUnlockedStatement, `do 'begin end'`];
}

/** One row: `unlocked`. */
export const readUnlockedStatement = 'execute ghost_unlocked';

function unlockedSql({ relations, functions }: Unlocked): string {
  return sql`
    select md5(concat_ws('|',
      (select string_agg(c.oid || ' ' || coalesce(c.relacl::text, ''), ',' order by c.oid)
        from pg_class as c
        where c.oid in (${oids(relations)})),
      (select string_agg(a.attrelid || ' ' || a.attnum || ' ' || a.attacl::text, ',' order by a.attrelid, a.attnum)
        from pg_attribute as a
        where a.attrelid in (${oids(relations)}) and a.attacl is not null),
      (select string_agg(p.oid || ' ' || p.xmin, ',' order by p.oid)
        from pg_proc as p
        where p.oid in (${oids(functions)}))
    )) as unlocked`;
}

/** Ours; no SQLSTATE of the server begins like that. */
export const alteredState = 'GH001';

/** Fails with `alteredState` when it is not what it was. */
export function refuseAlteredStatement(unlocked: string): string {
  const body = `
declare
  seen text;
begin
  execute ${literal(readUnlockedStatement)} into seen;
  if seen is distinct from ${literal(unlocked)} then
    raise exception 'the table was altered right before the swap' using errcode = '${alteredState}';
  end if;
end`;
  return `do ${literal(body)}`;
}

function oids(list: readonly number[]): string {
  return [0, ...list].join(', ');
}
