/** A range of rows as a condition: a `Tid Range Scan`, https://www.postgresql.org/docs/current/release-14.html */
import { fragment, param, type SqlFragment } from '../sql/fragment.js';
import { tid, type RowRange } from './row-range.js';

export function withinRows(ctid: string, { from, to }: RowRange, and = ' and '): SqlFragment {
  const [first, last] = [param(tid(from)), param(tid(to))];
  return fragment`${ctid} OPERATOR(pg_catalog.>=) ${first}::pg_catalog.tid${and}${ctid} OPERATOR(pg_catalog.<) ${last}::pg_catalog.tid`;
}
