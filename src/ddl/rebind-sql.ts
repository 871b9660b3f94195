/**
 * The changed clone as the shadow that it becomes: nothing of it may mean the source, since that is the old table after the
 * swap; and the sequences of serial columns are shared with the source until then.
 */
import type { Constraint, Index, TableShape } from '../model/table-shape.js';
import { ownMoves, selfNamingDefaults } from './own-names.js';
import { shareSerials } from './serial-sequences.js';
import { ident, literal, qualified } from '../sql/quote.js';
import { retargetNames } from '../sql/retarget-names.js';
import { inStoredForm } from '../sql/stored-form.js';
import { addConstraint, constraintComment, dropConstraint, isRowConstraint } from './constraint-sql.js';
import { createExclusion, createIndex } from './index-definition.js';

export interface ChangedClone {
  readonly source: TableShape;
  /** The clone before the change, and after it. */
  readonly before: TableShape;
  readonly after: TableShape;
}

/** What the change itself has made may name the source (`'orders'::regclass`), which is what it found under that name. */
export function rebindStatements({ source, before, after }: ChangedClone): string[] {
  const table = after.name;
  const moves = ownMoves(source, table.schema);
  const own = (statement: string): string => retargetNames(statement, moves);
  const again = (constraint: Constraint): string[] => {
    const statement = addConstraint(table, constraint);
    if (own(statement) === statement) return [];
    return [dropConstraint(table, constraint), own(statement), ...constraintComment(table, constraint)];
  };
  const anew = (index: Index): string[] => {
    const constraint = after.constraints.find(({ name }) => name === index.constraint);
    const statement =
      constraint !== undefined && index.exclusion
        ? createExclusion(constraint, index, table)
        : createIndex(index, after, table);
    if (own(statement) === statement) return [];
    const name = qualified({ schema: table.schema, name: index.name });
    return [
      constraint === undefined ? `drop index ${name}` : dropConstraint(table, constraint),
      own(statement),
      ...(index.comment === null ? [] : [`comment on index ${name} is ${literal(index.comment)}`]),
      ...(index.clustered ? [`alter table ${qualified(table)} cluster on ${ident(index.name)}`] : []),
    ];
  };
  return [
    ...shareSerials(source, before, after),
    ...selfNamingDefaults(after, moves).map((column) =>
      inStoredForm(
        own(
          `alter table ${qualified(table)} alter column ${ident(column.name)} set default ${column.default}`,
        ),
      ),
    ),
    ...after.constraints.filter(isRowConstraint).flatMap(again),
    ...after.indexes.filter(({ valid }) => valid).flatMap(anew),
  ];
}
