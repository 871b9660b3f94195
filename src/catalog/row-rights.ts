/**
 * What a run does with rows, and ALTER TABLE does not: an owner who has taken rights on the table from itself can alter it, and
 * cannot copy it. And a foreign key takes REFERENCES on just the columns that it references.
 */
import type { Session } from '../db/session.js';
import { withDeparseSettings } from './deparse-settings.js';
import type { ForeignKey } from '../model/definitions.js';

/** GRANT statements; what the new table's owner may do with it is what it may do with this one. */
export async function missingRowRights(
  session: Session,
  tableOid: number,
  foreignKeysOut: readonly ForeignKey[],
): Promise<string[]> {
  const keys = foreignKeysOut
    .filter(({ referencesOid }) => referencesOid !== tableOid)
    .map(({ referencesOid, referencedColumns }) => ({ oid: referencesOid, columns: referencedColumns }));
  const rows = await withDeparseSettings(session, () =>
    session.rows<{ statement: string }>({
      text: rowRightsSql,
      values: [tableOid, JSON.stringify(keys)],
    }),
  );
  return rows.map(({ statement }) => statement);
}

const rowRightsSql = `
  select format(
    'grant %s on %s to %I',
    string_agg(p.privilege, ', ' order by p.position), $1::oid::regclass, current_user
  ) as statement
  from unnest(array['select', 'insert', 'update', 'delete', 'truncate']) with ordinality as p (privilege, position)
  where not has_table_privilege($1::oid, p.privilege)
  having count(*) > 0
  union all
  select format(
    'grant references (%s) on %s to %I',
    string_agg(distinct quote_ident(col.name), ', '), k.oid::regclass, current_user
  )
  from jsonb_to_recordset($2::jsonb) as k (oid oid, columns jsonb)
  cross join lateral jsonb_array_elements_text(k.columns) as col (name)
  where not has_column_privilege(k.oid, col.name, 'references')
  group by k.oid
  order by 1`;
