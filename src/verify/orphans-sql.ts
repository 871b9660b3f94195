/** Rows that a foreign key does not allow: asked before there is one. */
import type { ForeignKey } from '../model/definitions.js';
import type { CheckedForeignKey } from '../model/late-check.js';
import { ident, qualified, sql, type SqlQuery } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export interface OrphanSearch {
  /** The rows are looked for in here. */
  readonly table: QualifiedName;
  /** By which they are named. */
  readonly key: readonly string[];
  readonly foreignKey: ForeignKey;
  readonly operators: CheckedForeignKey['operators'];
  /** Where that is now. */
  readonly references: QualifiedName;
  /** Of an earlier look: only these. */
  readonly among?: readonly (readonly string[])[];
}

/** More say no more about what is wrong. */
const maxOrphans = 20;

/** Keys of rows, as text. The comparison is the foreign key's own. */
export function orphansSql(search: OrphanSearch): SqlQuery {
  const { table, foreignKey, operators, references, among } = search;
  const { columns, referencedColumns, match, referencesPartitioned } = foreignKey;
  const key = `array[${search.key.map((name) => `t.${ident(name)}::pg_catalog.text`).join(', ')}]`;
  const same = columns.map((column, at) => {
    const [own, other] = [foreignKey.columnCollations[at], foreignKey.referencedCollations[at]];
    // Two that differ would leave open by which to compare: it is the referenced column's.
    const collation = own === other ? '' : ` collate ${other ?? 'pg_catalog."default"'}`;
    return `r.${ident(referencedColumns[at] ?? '')}${collation} ${operators[at] ?? ''} t.${ident(column)}`;
  });
  const given = columns.map((column) => `t.${ident(column)} is not null`);
  const only = referencesPartitioned ? '' : 'only ';
  return {
    text: sql`
      select ${key} as key
      from only ${qualified(table)} as t
      where (${given.join(match === 'full' ? ' or ' : ' and ')})
        and not exists (select from ${only}${qualified(references)} as r where ${same.join(' and ')})${
          among === undefined
            ? ''
            : `
        and pg_catalog.to_jsonb(${key}) in (select pg_catalog.jsonb_array_elements($1::pg_catalog.jsonb))`
        }
      limit ${maxOrphans}`,
    ...(among === undefined ? {} : { values: [JSON.stringify(among)] }),
  };
}
