/**
 * The statements that exchange source and shadow, in order, for one message under the lock.
 *
 * By schema, not by name: the shadow was built with the original names on everything, so moving it moves its indexes,
 * constraints and its own sequences with it, and no name is ever changed. What does not follow a table by itself is
 * done here by hand.
 */
import type { TableShape } from '../model/table-shape.js';
import { moveSerial } from '../ddl/serial-sequences.js';
import { moveStatistics } from '../ddl/statistics-sql.js';
import type { ColumnMapping, SerialFate } from '../model/column-mapping.js';
import { ident, literal, qualified, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

export interface SwapFacts {
  readonly table: QualifiedName;
  readonly shadowSchema: string;
  readonly oldSchema: string;
  readonly source: TableShape;
  readonly target: TableShape;
  readonly columns: readonly ColumnMapping[];
  /** Sequences that are the same object before and after. */
  readonly serials: readonly SerialFate[];
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
  const { table, serials } = facts;
  const shadow = qualified({ schema: facts.shadowSchema, name: table.name });
  return [
    ...facts.dropCapture,
    ...facts.detach,
    ...facts.unvalidated,
    ...identityValues(facts),
    // An owned sequence goes wherever its table goes; these stay, so they are nobody's for a moment.
    ...serials.map(({ sequence }) => `alter sequence ${qualified(sequence.name)} owned by none`),
    `alter table ${qualified(table)} set schema ${ident(facts.oldSchema)}`,
    `alter table ${shadow} set schema ${ident(table.schema)}`,
    ...statisticsMoves(facts),
    ...serials.flatMap((fate) => moveSerial(fate, table)),
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

/** An identity column's sequence is the table's own; the new one goes on where the old one stopped, unless the change says where. */
function identityValues(facts: SwapFacts): string[] {
  return facts.source.sequences.flatMap((sequence) => {
    if (!sequence.identity) return [];
    const column = targetOf(facts.columns, sequence.column);
    const successor = facts.target.sequences.find(
      (candidate) => candidate.identity && candidate.column === column,
    );
    if (column === null || successor === undefined || successor.startsAt !== undefined) return [];
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
