/**
 * An empty table exactly like another, in a schema of ours, with the original names on everything. `LIKE INCLUDING ALL`
 * renames indexes and constraints, and leaves out owner, grants, storage parameters and more; so it is built from
 * what the catalog says (issue: every object is carried or refused).
 *
 * Expressions that name the table or its parts name the clone's; a serial's sequence has a copy, which the defaults draw
 * from until the change is made.
 *
 * What stays out: foreign keys (invariant 14), triggers, policies, publications. They come in the swap.
 */
import type { OwnedSequence, TableShape } from '../model/table-shape.js';
import { ident, literal, qualified, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { retargetNames } from '../sql/retarget-names.js';
import { inStoredForm } from '../sql/stored-form.js';
import { columnComments, columnDefinition, columnSettings, ownDefaults } from './column-sql.js';
import { addConstraint, constraintComment, isRowConstraint, isUnvalidated } from './constraint-sql.js';
import { grantStatements } from './grant-sql.js';
import { indexMoves, ownMoves } from './own-names.js';
import { copySerials } from './serial-sequences.js';
import { attachStatements, indexBuilds } from './index-build-sql.js';
import { createStatistics } from './statistics-sql.js';
import { optionList } from './option-sql.js';

/**
 * To be run in one transaction, in a schema that the connecting role owns, with nothing of these names in it. That
 * role is a superuser, or the owner, or can become the owner. The texts are PostgreSQL's, printed under `ownSettings`:
 * to be run under the same.
 */
export function cloneStatements(shape: TableShape, schema: string): string[] {
  return [...cloneTableStatements(shape, schema), ...completeCloneStatements(shape, schema)];
}

/** The bare table, which belongs to who makes it. */
export function cloneTableStatements(shape: TableShape, schema: string): string[] {
  return [
    // Creating indexes and owning the table takes both.
    `grant usage, create on schema ${ident(schema)} to ${ident(shape.owner)}`,
    ...copySerials(shape, schema).before,
    inStoredForm(createTable(shape, { schema, name: shape.name.name })),
  ];
}

/** All the rest of it. */
export function completeCloneStatements(shape: TableShape, schema: string): string[] {
  const table = { schema, name: shape.name.name };
  const rowConstraints = shape.constraints.filter(isRowConstraint);
  const serials = copySerials(shape, schema);
  const moves = ownMoves(shape, schema);
  const checks = rowConstraints
    .filter((constraint) => !isPartOfCreateTable(constraint))
    .map((constraint) => retargetNames(addConstraint(table, constraint), moves));
  const ofIndexes = indexMoves({ ...shape, name: table }, '');
  return [
    `alter table ${qualified(table)} owner to ${ident(shape.owner)}`,
    ...serials.after,
    ...columnSettings(shape, table),
    ...checks.filter((statement) => retargetNames(statement, ofIndexes) === statement),
    ...indexBuilds(shape, schema).map(({ statement }) => statement),
    ...attachStatements(shape, schema),
    ...checks.filter((statement) => retargetNames(statement, ofIndexes) !== statement),
    ...ownDefaults(shape, table).map(inStoredForm),
    ...(shape.comment === null ? [] : [`comment on table ${qualified(table)} is ${literal(shape.comment)}`]),
    ...columnComments(shape, table),
    ...rowConstraints.flatMap((constraint) => constraintComment(table, constraint)),
    ...shape.statistics.flatMap((each) => createStatistics(each, moves, table)),
    ...identitySequences(shape).flatMap((sequence) => sequenceStatements(sequence, shape, schema)),
    ...grantStatements({
      kind: 'table',
      name: table,
      owner: shape.owner,
      grants: shape.grants,
      columnGrants: shape.columns.map(({ name, grants }) => ({ column: name, grants })),
    }),
  ];
}

function createTable(shape: TableShape, table: QualifiedName): string {
  const parts = [
    ...shape.columns.map((column) => columnDefinition(column, shape, table.schema)),
    ...shape.constraints
      .filter(isPartOfCreateTable)
      .map(({ name, definition }) => `constraint ${ident(name)} ${definition}`),
  ];
  const options = shape.options.length === 0 ? '' : ` with (${optionList(shape.options)})`;
  const tablespace = shape.tablespace === null ? '' : ` tablespace ${ident(shape.tablespace)}`;
  return sql`
    create ${shape.unlogged ? 'unlogged ' : ''}table ${qualified(table)} (
      ${parts.join(',\n  ')}
    ) using ${ident(shape.accessMethod)}${options}${tablespace}`;
}

/** NOT NULL of 18: the implied ones of identity columns find it there and make none of their own. */
function isPartOfCreateTable(constraint: TableShape['constraints'][number]): boolean {
  return constraint.type === 'not null' && !isUnvalidated(constraint);
}

function identitySequences(shape: TableShape): OwnedSequence[] {
  return shape.sequences.filter(({ identity }) => identity);
}

function sequenceStatements(sequence: OwnedSequence, shape: TableShape, schema: string): string[] {
  const name = { schema, name: sequence.name.name };
  const { owner, grants, comment, unlogged, type, column } = sequence;
  return [
    ...(unlogged === null || unlogged === shape.unlogged
      ? []
      : [`alter sequence ${qualified(name)} set ${unlogged ? 'unlogged' : 'logged'}`]),
    ...(shape.columns.some((each) => each.name === column && each.type === type)
      ? []
      : [`alter sequence ${qualified(name)} as ${type}`]),
    // Called: only RESTART makes it anything else, and that is how it is seen.
    `select setval(${literal(qualified(name))}::regclass, last_value, true) from ${qualified(sequence.name)}`,
    ...(comment === null ? [] : [`comment on sequence ${qualified(name)} is ${literal(comment)}`]),
    ...grantStatements({ kind: 'sequence', name, owner, grants }),
  ];
}
