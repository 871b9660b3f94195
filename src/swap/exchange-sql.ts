/**
 * The statements by which two tables change places, in order, for one message under the lock. Which of them is the older one
 * does not matter here.
 *
 * By schema, not by name: both have the original names on everything, so moving a table moves its indexes, constraints and its
 * own sequences with it, and no name is ever changed. What does not follow a table by itself is done here by hand.
 */
import { moveSerial } from '../ddl/serial-sequences.js';
import { moveStatistics } from '../ddl/statistics-sql.js';
import type { Definitions, TargetDefinitions } from '../model/definitions.js';
import type { QualifiedName } from '../model/name.js';
import type { SerialFate } from '../model/column-mapping.js';
import type { TableShape } from '../model/table-shape.js';
import { ident, literal, qualified, sql } from '../sql/quote.js';
import { attachDefinitions, detachStatements } from './dependents-sql.js';

export interface ExchangeFacts {
  /** The name that both have, one after the other. */
  readonly table: QualifiedName;
  /** In use until now. */
  readonly leaving: {
    readonly shape: TableShape;
    /** Its new schema. */
    readonly goesTo: string;
  };
  /** In use from now on. */
  readonly coming: {
    readonly oid: number;
    readonly shape: TableShape;
    /** Its schema until now. */
    readonly comesFrom: string;
    /** What it could not have, or had to have, as long as it was not in use. */
    readonly readied: readonly string[];
    /** Schemas that its statistics objects belong into, by their names. */
    readonly statisticsHomes: ReadonlyMap<string, string>;
  };
  /** Which column of the coming table is which of the leaving one; none for what only one of them has. */
  readonly columns: ReadonlyMap<string, string>;
  /** Sequences that are the same object before and after. */
  readonly serials: readonly SerialFate[];
  /** What hangs on the table: as it is, and what is to come onto the coming one, without what that has already. */
  readonly hanging: { readonly was: Definitions; readonly becomes: TargetDefinitions };
  /** What capture says must be in the same message. */
  readonly capture: readonly string[];
}

export function exchangeStatements(facts: ExchangeFacts): string[] {
  const { table, leaving, coming, serials, hanging } = facts;
  return [
    ...coming.readied,
    ...facts.capture,
    ...detachStatements({ table, source: hanging.was, target: hanging.becomes }),
    ...identityValues(facts),
    // An owned sequence goes wherever its table goes; these stay, so they are nobody's for a moment.
    ...serials.map(({ sequence }) => `alter sequence ${qualified(sequence.name)} owned by none`),
    `alter table ${qualified(table)} set schema ${ident(leaving.goesTo)}`,
    `alter table ${qualified({ schema: coming.comesFrom, name: table.name })} set schema ${ident(table.schema)}`,
    ...statisticsMoves(facts),
    ...serials.flatMap((fate) => moveSerial(fate, table)),
    ...attachDefinitions({ table, target: hanging.becomes }),
  ];
}

/** They do not follow their table, and may be in another schema than it. */
function statisticsMoves({ leaving, coming }: ExchangeFacts): string[] {
  const { statistics } = leaving.shape;
  return [
    ...statistics.map(({ name }) => moveStatistics(name, leaving.goesTo)),
    ...coming.shape.statistics.flatMap(({ name }) => {
      const home = coming.statisticsHomes.get(name.name);
      return home === undefined ? [] : [moveStatistics({ schema: coming.comesFrom, name: name.name }, home)];
    }),
  ];
}

/** An identity column's sequence is the table's own; the coming one goes on where the leaving one stopped, unless the change says where. */
function identityValues({ leaving, coming, columns }: ExchangeFacts): string[] {
  return leaving.shape.sequences.flatMap((sequence) => {
    if (!sequence.identity) return [];
    const column = columns.get(sequence.column);
    const successor = coming.shape.sequences.find(
      (candidate) => candidate.identity && candidate.column === column,
    );
    if (successor === undefined || successor.startsAt !== undefined) return [];
    const name = qualified({ schema: coming.comesFrom, name: successor.name.name });
    return [
      sql`
        select setval(${literal(name)}::regclass, last_value, is_called)
        from ${qualified(sequence.name)}`,
    ];
  });
}
