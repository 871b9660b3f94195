/** Queries of the trial. */
import { typeOnAnyPath } from '../../sql/any-path.js';
import { ident, sql, type SqlQuery } from '../../sql/quote.js';

/** The clone at this moment. Counters of the own transaction are exact: they are read from this backend's memory. */
export function trialStepSql(oid: number): SqlQuery {
  return {
    text: sql`
      select
        pg_relation_filenode($1::oid) as filenode,
        case when current_setting('track_counts')::bool then pg_stat_get_xact_numscans($1::oid) end as scans,
        coalesce(
          (
            select json_agg(json_build_object('name', relname, 'filenode', pg_relation_filenode(oid)) order by relname)
            from pg_class
            where oid in (select indexrelid from pg_index where indrelid = $1)
          ),
          '[]'
        ) as indexes,
        (
          select json_agg(
            json_build_object(
              'attnum', attnum,
              'name', attname,
              'typeOid', atttypid::int8,
              'typmod', atttypmod,
              'type', format_type(atttypid, atttypmod)
            ) order by attnum
          )
          from pg_attribute
          where attrelid = $1
            and attnum > 0
            and not attisdropped
        ) as columns`,
    values: [oid],
  };
}

/** A column of the trial's own, for asking what PostgreSQL makes of an expression. */
const probeColumn = 'ghost_probe';

export function addProbeSql(table: string, type: string, defaultText: string | null): string {
  const value = defaultText === null ? '' : ` default (${defaultText}\n)`;
  return `alter table ${table} add column ${ident(probeColumn)} ${typeOnAnyPath(type)}${value}`;
}

export function convertProbeSql(table: string, type: string, expression: string): string {
  return `alter table ${table} alter column ${ident(probeColumn)} type ${typeOnAnyPath(type)} using (${expression}\n)`;
}

/** Where PostgreSQL keeps the one value that all existing rows have in an added column. */
export function probeValueSql(oid: number): SqlQuery {
  return {
    text: sql`
      select
        pg_relation_filenode($1::oid) as filenode,
        atthasmissing as "hasValue",
        attmissingval::text::text[] as "values"
      from pg_attribute
      where attrelid = $1
        and attname = $2`,
    values: [oid, probeColumn],
  };
}
