/** Indexes of the clone, and of the shadow once it is full: what can be built at the same time, and what comes after. */
import type { Constraint, Index, TableShape } from '../model/table-shape.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { constraintComment } from './constraint-sql.js';
import { createExclusion, createIndex } from './index-definition.js';
import { inStoredForm } from '../sql/stored-form.js';
import { indexMoves, ownMoves, selfNamingDefaults } from './own-names.js';
import { retargetExpression } from '../sql/retarget-names.js';
import { optionList } from './option-sql.js';

export interface IndexBuild {
  /** Of the index. */
  readonly name: string;
  readonly statement: string;
  /**
   * `index`: CREATE INDEX (SHARE lock), any number of them at once. `constraint`: ADD CONSTRAINT (ACCESS EXCLUSIVE on
   * the shadow), which waits for the others and they for it.
   */
  readonly kind: 'index' | 'constraint';
}

/**
 * One for every index; those of primary keys and unique constraints are plain unique indexes until `attachStatements`.
 * An index that is not valid (left behind by a failed CREATE INDEX CONCURRENTLY) is not built.
 */
export function indexBuilds(shape: TableShape, schema: string): IndexBuild[] {
  const table = { schema, name: shape.name.name };
  return validIndexes(shape).map((index): IndexBuild => {
    const constraint = constraintOf(index, shape);
    return constraint !== null && index.exclusion
      ? {
          name: index.name,
          kind: 'constraint',
          statement: inStoredForm(createExclusion(constraint, index, table)),
        }
      : { name: index.name, kind: 'index', statement: inStoredForm(createIndex(index, shape, table)) };
  });
}

/**
 * Makes constraints of the unique indexes, and gives everything its marks and comments. To be run as a whole, in one
 * transaction, when all builds are done.
 *
 * @param existing the table as it is now: constraints that it has already are left alone
 */
export function attachStatements(
  shape: TableShape,
  schema: string,
  existing: Pick<TableShape, 'constraints'> = { constraints: [] },
): string[] {
  const table = { schema, name: shape.name.name };
  const indexes = validIndexes(shape);
  return [
    ...indexes
      .filter(({ constraint }) => !existing.constraints.some(({ name }) => name === constraint))
      .flatMap((index) => constraintStatement(index, shape, table)),
    ...indexes.flatMap((index) => afterConstraint(index, shape, table)),
    ...indexes.flatMap((index) => indexStatistics(index, schema)),
    ...indexes.flatMap((index) => indexComment(index, schema)),
    ...indexes.flatMap(({ name, extensions }) =>
      extensions.map((extension) => dependsOnExtension({ schema, name }, extension)),
    ),
    ...indexes
      .filter(({ clustered }) => clustered)
      .map(({ name }) => `alter table ${qualified(table)} cluster on ${ident(name)}`),
    ...replicaIdentity(shape, table),
    ...defaultsOfIndexes(shape, table),
  ];
}

/** Defaults that name an index of the table could not be there before it. */
function defaultsOfIndexes(shape: TableShape, table: QualifiedName): string[] {
  return selfNamingDefaults(shape, indexMoves(shape, '')).map(({ name, default: value }) =>
    inStoredForm(
      `alter table ${qualified(table)} alter column ${ident(name)} set default ${retargetExpression(value, ownMoves(shape, table.schema))}`,
    ),
  );
}

function validIndexes(shape: TableShape): Index[] {
  return shape.indexes.filter(({ valid }) => valid);
}

function constraintOf(index: Index, shape: TableShape): Constraint | null {
  if (index.constraint === null) return null;
  return shape.constraints.find(({ name }) => name === index.constraint) ?? null;
}

/** The exclusion constraints were made by their build. */
function constraintStatement(index: Index, shape: TableShape, table: QualifiedName): string[] {
  const constraint = constraintOf(index, shape);
  return constraint === null || index.exclusion ? [] : [useIndex(index, constraint, table)];
}

function afterConstraint(index: Index, shape: TableShape, table: QualifiedName): string[] {
  const constraint = constraintOf(index, shape);
  if (constraint === null) return [];
  return [
    ...(index.exclusion ? exclusionOptions(index, constraint, table) : []),
    ...constraintComment(table, constraint),
  ];
}

export function useIndex(index: Index, constraint: Constraint, table: QualifiedName): string {
  const kind = constraint.type === 'primary key' ? 'primary key' : 'unique';
  return [
    `alter table ${qualified(table)} add constraint ${ident(constraint.name)} ${kind} using index ${ident(index.name)}`,
    ...(constraint.deferrable ? ['deferrable'] : []),
    ...(constraint.initiallyDeferred ? ['initially deferred'] : []),
  ].join(' ');
}

/** The definition of an EXCLUDE has its storage parameters, that of PRIMARY KEY and UNIQUE ... WITHOUT OVERLAPS has not. */
function exclusionOptions(index: Index, constraint: Constraint, table: QualifiedName): string[] {
  if (constraint.type === 'exclusion' || index.options.length === 0) return [];
  const name = qualified({ schema: table.schema, name: index.name });
  return [`alter index ${name} set (${optionList(index.options)})`];
}

function indexStatistics(index: Index, schema: string): string[] {
  const name = qualified({ schema, name: index.name });
  return index.keys.flatMap(({ statisticsTarget }, position) =>
    statisticsTarget === null
      ? []
      : [`alter index ${name} alter column ${position + 1} set statistics ${statisticsTarget}`],
  );
}

export function dependsOnExtension(index: QualifiedName, extension: string): string {
  return `alter index ${qualified(index)} depends on extension ${ident(extension)}`;
}

function indexComment({ name, comment }: Index, schema: string): string[] {
  return comment === null ? [] : [`comment on index ${qualified({ schema, name })} is ${literal(comment)}`];
}

function replicaIdentity(shape: TableShape, table: QualifiedName): string[] {
  const set = `alter table ${qualified(table)} replica identity`;
  if (shape.replicaIdentity !== 'index') {
    return shape.replicaIdentity === 'default' ? [] : [`${set} ${shape.replicaIdentity}`];
  }
  return shape.indexes
    .filter(({ replicaIdentity: isIt, valid }) => isIt && valid)
    .map(({ name }) => `${set} using index ${ident(name)}`);
}
