/**
 * Rows of the table that hold the OID of the table itself, or of a part of it (`regclass`, `regtype`, `oid`): after ALTER TABLE
 * they still mean the table, and after a swap they would mean the old one. A part of the rows is looked at; what the
 * others hold nobody knows, and the user is told so.
 */
import type { Refusal } from '../../errors.js';
import type { Session } from '../../db/session.js';
import type { ColumnMapping } from '../../model/column-mapping.js';
import type { TableShape } from '../../model/table-shape.js';
import { displayName, ident, qualified, sql, type SqlQuery } from '../../sql/quote.js';
import { isSampledSql, sampleEnds, tryLook } from './sample.js';

/** Of these it is looked at; a number that is called `oid` means something of the catalog less often than the others. */
const oidTypes: ReadonlySet<string> = new Set([
  'oid',
  'regclass',
  'regtype',
  'oid[]',
  'regclass[]',
  'regtype[]',
]);
const isNamed = (type: string): boolean => type.startsWith('reg');

/** Names of the columns in which a row holds such an OID. */
export async function findStoredOids(
  session: Session,
  source: TableShape,
  blocks: number,
): Promise<string[]> {
  const columns = source.columns.filter(({ type }) => oidTypes.has(type));
  if (columns.length === 0) return [];
  const looks = columns.map(({ name, type }, index) => {
    const oids = type.endsWith('[]')
      ? `${ident(name)}::pg_catalog.oid[]`
      : `array[${ident(name)}::pg_catalog.oid]`;
    return `pg_catalog.bool_or(${oids} operator(pg_catalog.&&) $3::pg_catalog.oid[]) as c${index}`;
  });
  const found = await tryLook(session, async () => {
    const { oids } = await session.row<{ oids: string }>(ownOidsSql(source.oid));
    return await session.row<Readonly<Record<string, boolean | null>>>({
      text: sql`
        select ${looks.join(', ')}
        from only ${qualified(source.name)}
        where ${isSampledSql}`,
      values: [...sampleEnds(blocks), oids],
    });
  });
  // Where the look fails, the warning says that not all was looked at.
  return columns.flatMap(({ name }, index) => (found?.[`c${index}`] === true ? [name] : []));
}

/** What has another OID after a swap: the table, its row type, its indexes, its identity columns' sequences. */
function ownOidsSql(table: number): SqlQuery {
  return {
    text: sql`
      select array_agg(own.oid)::text as oids
      from (
        select c.oid from pg_class as c where c.oid = $1
        union all
        select t.oid from pg_class as c join pg_type as t on t.oid = c.reltype or t.typelem = c.reltype
        where c.oid = $1 and c.reltype <> 0
        union all
        select i.indexrelid from pg_index as i where i.indrelid = $1
        union all
        select d.objid
        from pg_depend as d
        where d.refclassid = 'pg_class'::regclass and d.refobjid = $1 and d.classid = 'pg_class'::regclass and d.deptype = 'i'
      ) as own (oid)`,
    values: [table],
  };
}

export function checkStoredOids(
  source: TableShape,
  found: readonly string[],
  columns: readonly ColumnMapping[],
): Refusal[] {
  return carried(columns)
    .filter(({ name }) => found.includes(name))
    .map(({ name, type }) => ({
      code: 'stored-oid',
      message: `rows of ${displayName(source.name)} hold the OID of the table itself, or of a part of it, in column ${name} (${type}): after the swap they would mean the old table, and after ALTER TABLE they mean the table`,
      hint: `keep the name instead (ALTER COLUMN ${ident(name)} TYPE text), or set these rows to NULL before, and to the new OID after the migration`,
    }));
}

/** Columns of which not all rows were looked at. */
export function unseenOids(found: readonly string[], columns: readonly ColumnMapping[]): string[] {
  return carried(columns)
    .filter(({ name, type }) => isNamed(type) && !found.includes(name))
    .map(({ name }) => name);
}

function carried(columns: readonly ColumnMapping[]): { readonly name: string; readonly type: string }[] {
  return columns.flatMap(({ source: name, targetType: type, how }) =>
    name !== null && type !== null && (how === 'copied' || how === 'converted') && oidTypes.has(type)
      ? [{ name, type }]
      : [],
  );
}
