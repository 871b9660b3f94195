/** Indexes of the shadow, and the constraints that stand on them, brought from what they are to what is wanted. */
import type { Constraint, Index, TableShape } from '../model/table-shape.js';
import { optionChanges } from './option-sql.js';
import { parseStatement } from '../sql/parse.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { treesEqual } from '../sql/syntax-tree.js';
import { dropConstraint } from './constraint-sql.js';
import { dependsOnExtension, indexBuilds, useIndex } from './index-build-sql.js';

export interface IndexFacts {
  readonly now: TableShape;
  readonly wanted: TableShape;
  /** The shadow. */
  readonly table: QualifiedName;
  readonly ownIndexes: readonly string[];
}

export interface IndexAdjustments {
  /** Those whose name is free now: they may take long, and keep nobody but writers of the shadow out. */
  readonly builds: readonly string[];
  readonly statements: readonly string[];
  /** One of the new ones is unique. */
  readonly tightens: boolean;
  /** One of the new ones has an expression, which has statistics of its own. */
  readonly needAnalyze: boolean;
}

interface Kept {
  readonly before: Index;
  readonly index: Index;
}

export function adjustIndexes({ now, wanted, table, ownIndexes }: IndexFacts): IndexAdjustments {
  const having = now.indexes.filter(({ name }) => !ownIndexes.includes(name));
  const wanting = wanted.indexes.filter(({ valid }) => valid);
  const kept = pairs(having, wanting, (a, b) => canBecome(a, now, b, wanted));
  const gone = having.filter((each) => !kept.some(({ before }) => before === each));
  const fresh = wanting.filter((each) => !kept.some(({ index }) => index === each));
  const builds = indexBuilds(wanted, table.schema).filter(({ name }) =>
    fresh.some((each) => each.name === name),
  );
  const isFree = ({ name, kind }: { name: string; kind: string }): boolean =>
    kind === 'index' && !now.indexes.some((each) => each.name === name);
  const constraintOf = ({ constraint }: Index): Constraint | undefined =>
    wanted.constraints.find(({ name }) => name === constraint);
  const toAttach = wanting.filter(
    (index) =>
      !index.exclusion && (kept.find((pair) => pair.index === index)?.before.constraint ?? null) === null,
  );
  return {
    builds: builds.filter(isFree).map(({ statement }) => statement),
    statements: [
      ...gone.map((index) => dropIndex(index, now, table)),
      ...renameIndexes(kept, table.schema),
      ...builds.filter((build) => !isFree(build)).map(({ statement }) => statement),
      ...toAttach.flatMap((index) => {
        const constraint = constraintOf(index);
        return constraint === undefined ? [] : [useIndex(index, constraint, table)];
      }),
      ...wanting.flatMap((index) =>
        settings(kept.find((pair) => pair.index === index)?.before ?? null, index, table.schema),
      ),
      ...wanting.flatMap((index) => constraintComments(constraintOf(index), now, kept, index, table)),
      ...clusterMark(kept, wanting, table),
      ...replicaIdentity(now, wanted, kept, table),
    ],
    tightens: fresh.some(({ unique, exclusion }) => unique || exclusion),
    needAnalyze: fresh.some(({ keys }) => keys.some(({ column }) => column === null)),
  };
}

/** Of the same name first; then those that were only renamed. */
function pairs(
  having: readonly Index[],
  wanting: readonly Index[],
  canBe: (before: Index, index: Index) => boolean,
): Kept[] {
  const kept = wanting.flatMap((index): Kept[] => {
    const before = having.find(({ name }) => name === index.name);
    return before !== undefined && canBe(before, index) ? [{ before, index }] : [];
  });
  for (const index of wanting) {
    if (kept.some((pair) => pair.index === index)) continue;
    const before = having.find((each) => !kept.some((pair) => pair.before === each) && canBe(each, index));
    if (before !== undefined) kept.push({ before, index });
  }
  return kept;
}

/** Without building it anew. A unique index may become a constraint; a constraint never becomes a mere index. */
function canBecome(before: Index, now: TableShape, index: Index, wanted: TableShape): boolean {
  const one = now.constraints.find(({ name }) => name === before.constraint);
  const other = wanted.constraints.find(({ name }) => name === index.constraint);
  const isSameConstraint =
    one === undefined
      ? other === undefined || (index.unique && !index.exclusion)
      : other !== undefined &&
        one.type === other.type &&
        one.definition === other.definition &&
        one.deferrable === other.deferrable &&
        one.initiallyDeferred === other.initiallyDeferred;
  return (
    before.valid &&
    isSameConstraint &&
    before.unique === index.unique &&
    before.exclusion === index.exclusion &&
    before.nullsNotDistinct === index.nullsNotDistinct &&
    treesEqual(essence(before), essence(index))
  );
}

/** The statement without its name and what can be altered. */
function essence({ definition }: Index): unknown {
  const { tree } = parseStatement(definition);
  const { IndexStmt: { idxname: _, options: _options, ...rest } = {} } = tree as {
    IndexStmt?: Record<string, unknown>;
  };
  return rest;
}

function dropIndex(index: Index, now: TableShape, table: QualifiedName): string {
  const constraint = now.constraints.find(({ name }) => name === index.constraint);
  return constraint === undefined
    ? `drop index ${qualified({ schema: table.schema, name: index.name })}`
    : dropConstraint(table, constraint);
}

/** A constraint has the name of its index, and is renamed with it. By way of names that nobody has. */
function renameIndexes(kept: readonly Kept[], schema: string): string[] {
  const renamed = kept.filter(({ before, index }) => before.name !== index.name);
  const rename = (from: string, to: string): string =>
    `alter index ${qualified({ schema, name: from })} rename to ${ident(to)}`;
  return [
    ...renamed.map(({ before }, at) => rename(before.name, `ghost_index_${at}`)),
    ...renamed.map(({ index }, at) => rename(`ghost_index_${at}`, index.name)),
  ];
}

/** @param before null: just built from the definition, which has its options and nothing else */
function settings(before: Index | null, index: Index, schema: string): string[] {
  const name = qualified({ schema, name: index.name });
  const hasOptions = before === null ? index.constraint === null || !index.exclusion : false;
  return [
    ...(hasOptions ? [] : optionChanges(`alter index ${name}`, before?.options ?? [], index.options)),
    ...(before === null || before.tablespace === index.tablespace
      ? []
      : [`alter index ${name} set tablespace ${ident(index.tablespace ?? 'pg_default')}`]),
    ...index.keys.flatMap(({ statisticsTarget }, at) =>
      (before?.keys[at]?.statisticsTarget ?? null) === statisticsTarget
        ? []
        : [`alter index ${name} alter column ${at + 1} set statistics ${statisticsTarget ?? -1}`],
    ),
    ...(before?.extensions ?? [])
      .filter((extension) => !index.extensions.includes(extension))
      .map((extension) => `alter index ${name} no depends on extension ${ident(extension)}`),
    ...index.extensions
      .filter((extension) => before?.extensions.includes(extension) !== true)
      .map((extension) => dependsOnExtension({ schema, name: index.name }, extension)),
    ...((before?.comment ?? null) === index.comment
      ? []
      : [`comment on index ${name} is ${index.comment === null ? 'null' : literal(index.comment)}`]),
  ];
}

function constraintComments(
  constraint: Constraint | undefined,
  now: TableShape,
  kept: readonly Kept[],
  index: Index,
  table: QualifiedName,
): string[] {
  if (constraint === undefined) return [];
  const { before } = kept.find((pair) => pair.index === index) ?? {};
  const had = now.constraints.find(({ name }) => name === before?.constraint)?.comment ?? null;
  const { name, comment } = constraint;
  if (had === comment) return [];
  return [
    `comment on constraint ${ident(name)} on ${qualified(table)} is ${comment === null ? 'null' : literal(comment)}`,
  ];
}

function clusterMark(kept: readonly Kept[], wanting: readonly Index[], table: QualifiedName): string[] {
  const mark = wanting.find(({ clustered }) => clustered);
  const had = kept.find(({ before }) => before.clustered);
  if (mark === had?.index) return [];
  return [
    mark === undefined
      ? `alter table ${qualified(table)} set without cluster`
      : `alter table ${qualified(table)} cluster on ${ident(mark.name)}`,
  ];
}

function replicaIdentity(
  now: TableShape,
  wanted: TableShape,
  kept: readonly Kept[],
  table: QualifiedName,
): string[] {
  const set = `alter table ${qualified(table)} replica identity`;
  if (wanted.replicaIdentity !== 'index')
    return now.replicaIdentity === wanted.replicaIdentity ? [] : [`${set} ${wanted.replicaIdentity}`];
  const index = wanted.indexes.find(({ replicaIdentity: isIt, valid }) => isIt && valid);
  const isSo = kept.some((pair) => pair.index === index && pair.before.replicaIdentity);
  return index === undefined || isSo ? [] : [`${set} using index ${ident(index.name)}`];
}
