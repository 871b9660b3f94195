/**
 * The statements that exchange source and shadow, in order, for one message under the lock.
 *
 * By schema, not by name: the shadow was built with the original names on everything, so moving it moves its indexes,
 * constraints and its own sequences with it, and no name is ever changed. What does not follow a table by itself is
 * done here by hand.
 */
import type { OwnedSequence, TableShape } from '../catalog/types.js';
import { moveStatistics } from '../ddl/statistics-sql.js';
import type { ColumnMapping } from '../plan/types.js';
import { ident, literal, qualified, sql, type QualifiedName } from '../sql/quote.js';

export interface SwapFacts {
  readonly table: QualifiedName;
  readonly shadowSchema: string;
  readonly oldSchema: string;
  readonly source: TableShape;
  readonly target: TableShape;
  readonly columns: readonly ColumnMapping[];
  /** What ends the capture on the source. */
  readonly dropCapture: readonly string[];
  /** NOT VALID constraints, which the copy could not have: added to the shadow now. */
  readonly unvalidated: readonly string[];
  /** What hangs on the table: off the old one, and onto the new one. */
  readonly detach: readonly string[];
  readonly attach: readonly string[];
  /** Marks the migration as swapped, in the same commit. */
  readonly markSwapped: string;
}

export function swapStatements(facts: SwapFacts): string[] {
  const { table } = facts;
  const shadow = qualified({ schema: facts.shadowSchema, name: table.name });
  const moves = serialMoves(facts);
  return [
    ...facts.dropCapture,
    ...facts.detach,
    ...facts.unvalidated,
    ...identityValues(facts),
    // An owned sequence goes wherever its table goes; these stay, so they are nobody's for a moment.
    ...moves.map(({ sequence }) => `alter sequence ${qualified(sequence.name)} owned by none`),
    `alter table ${qualified(table)} set schema ${ident(facts.oldSchema)}`,
    `alter table ${shadow} set schema ${ident(table.schema)}`,
    ...statisticsMoves(facts),
    ...moves.map(({ sequence, column, type }) => {
      const grow = type === null ? '' : ` as ${type}`;
      return `alter sequence ${qualified(sequence.name)}${grow} owned by ${qualified(table)}.${ident(column)}`;
    }),
    ...facts.attach,
    facts.markSwapped,
  ];
}

/** They do not follow their table, and may be in another schema than it. */
function statisticsMoves({ source, target, shadowSchema, oldSchema }: SwapFacts): string[] {
  return [
    ...source.statistics.map(({ name }) => moveStatistics(name, oldSchema)),
    ...target.statistics.flatMap(({ name }) => {
      const home = source.statistics.find((each) => each.name.name === name.name)?.name.schema;
      return home === undefined ? [] : [moveStatistics({ schema: shadowSchema, name: name.name }, home)];
    }),
  ];
}

export interface SerialMove {
  readonly sequence: OwnedSequence;
  /** The column of the new table that owns it from now on. */
  readonly column: string;
  /** The type it grows to; null when it stays. */
  readonly type: string | null;
}

/**
 * Serial sequences of columns that live on: the same sequence, so that no value is ever given twice. Those of dropped
 * columns stay with the old table, and go with it.
 */
export function serialMoves(facts: Pick<SwapFacts, 'source' | 'target' | 'columns'>): SerialMove[] {
  return facts.source.sequences.flatMap((sequence): SerialMove[] => {
    if (sequence.identity) return [];
    const column = targetOf(facts.columns, sequence.column);
    if (column === null) return [];
    const type = facts.target.columns.find((candidate) => candidate.name === column)?.type ?? null;
    return [{ sequence, column, type: type !== null && isWider(type, sequence.type) ? type : null }];
  });
}

/** An identity column's sequence is the table's own; the new one goes on where the old one stopped. */
function identityValues(facts: SwapFacts): string[] {
  return facts.source.sequences.flatMap((sequence) => {
    if (!sequence.identity) return [];
    const column = targetOf(facts.columns, sequence.column);
    const successor = facts.target.sequences.find(
      (candidate) => candidate.identity && candidate.column === column,
    );
    if (column === null || successor === undefined) return [];
    const name = qualified({ schema: facts.shadowSchema, name: successor.name.name });
    return [
      sql`
        select setval(${literal(name)}::regclass, last_value, is_called)
        from ${qualified(sequence.name)}`,
    ];
  });
}

function targetOf(columns: readonly ColumnMapping[], source: string): string | null {
  return columns.find((column) => column.source === source)?.target ?? null;
}

const widths: Readonly<Record<string, number>> = { smallint: 2, integer: 4, bigint: 8 };

function isWider(type: string, than: string): boolean {
  return (widths[type] ?? 0) > (widths[than] ?? 8);
}
