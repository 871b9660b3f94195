/** A table's membership in a publication. */
import type { PublicationMember } from '../model/definitions.js';
import { ident, identList, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export function addToPublication(member: PublicationMember, table: QualifiedName): string {
  return `alter publication ${ident(member.publication)} add table ${publishedTable(member, table)}`;
}

/** `table (columns) where (filter)`, as in CREATE PUBLICATION ... FOR TABLE. */
export function publishedTable({ columns, filter }: PublicationMember, table: QualifiedName): string {
  const list = columns === null ? '' : ` (${identList(columns)})`;
  return `${qualified(table)}${list}${filter === null ? '' : ` where (${filter})`}`;
}

export function dropFromPublication({ publication }: PublicationMember, table: QualifiedName): string {
  return `alter publication ${ident(publication)} drop table ${qualified(table)}`;
}
