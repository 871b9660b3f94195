/** What a change does to the names of the columns that live on. Pure. */
import type {
  Definitions,
  ForeignKey,
  PublicationMember,
  SecurityLabel,
} from '../../../model/definitions.js';
import type { TableShape } from '../../../model/table-shape.js';

/** Name before → name after; null for a dropped column. */
export type ColumnNames = ReadonlyMap<string, string | null>;

export function columnNames(before: TableShape, after: TableShape): ColumnNames {
  return new Map(
    before.columns.map(({ attnum, name }) => [
      name,
      after.columns.find((column) => column.attnum === attnum)?.name ?? null,
    ]),
  );
}

export function isRenamed(names: ColumnNames): boolean {
  return [...names].some(([before, after]) => after !== null && after !== before);
}

/**
 * What is made of column names and not of SQL text. A foreign key of the table goes with a column of it that is dropped,
 * as it does natively; one of another table stays, and the trial says that it cannot be.
 */
export function withNewNames<D extends Definitions>(definitions: D, tableOid: number, names: ColumnNames): D {
  const renamed = (name: string): string => names.get(name) ?? name;
  const isGone = (name: string): boolean => names.get(name) === null;
  const outgoing = (key: ForeignKey): ForeignKey => ({
    ...key,
    columns: key.columns.map(renamed),
    setColumns: key.setColumns.map(renamed),
    referencedColumns:
      key.referencesOid === tableOid ? key.referencedColumns.map(renamed) : key.referencedColumns,
  });
  const member = (each: PublicationMember): PublicationMember => ({
    ...each,
    columns: each.columns?.map(renamed) ?? null,
  });
  const label = (each: SecurityLabel): SecurityLabel => ({
    ...each,
    column: each.column === null ? null : renamed(each.column),
  });
  return {
    ...definitions,
    foreignKeysOut: definitions.foreignKeysOut
      .filter(
        ({ columns, referencesOid, referencedColumns }) =>
          !columns.some(isGone) && !(referencesOid === tableOid && referencedColumns.some(isGone)),
      )
      .map(outgoing),
    foreignKeysIn: definitions.foreignKeysIn.map((key) => ({
      ...key,
      referencedColumns: key.referencedColumns.map(renamed),
    })),
    publications: definitions.publications.map(member),
    securityLabels: definitions.securityLabels
      .filter(({ column }) => column === null || !isGone(column))
      .map(label),
  };
}
