/**
 * What hangs on the table, as the swap has to make it, and whether PostgreSQL lets it be made: tried on the clone, in
 * the trial's transaction, so that nothing is first found out under the lock.
 *
 * A renamed column is followed by everything that names it. Nobody does that better than the server: the objects are made
 * on the unchanged clone, the columns renamed there, and the definitions read back.
 */
import type {
  Definitions,
  NamedObject,
  RowTypeFunction,
  TargetDefinitions,
  View,
} from '../../../model/definitions.js';
import { withDeparseSettings } from '../../../catalog/deparse-settings.js';
import { readReferences, type Reference } from '../../../catalog/references.js';
import { readDefinitions } from '../../../catalog/read-definitions.js';
import type { TableShape } from '../../../model/table-shape.js';
import type { Session } from '../../../db/session.js';
import { stayingSequences } from '../../../ddl/serial-sequences.js';
import { relocateFunction } from '../../../ddl/relocate-function.js';
import { relocateDefinitions } from '../../../ddl/relocate.js';
import { displayName, displayQualified, ident, qualified } from '../../../sql/quote.js';
import type { QualifiedName } from '../../../model/name.js';
import { attachToClone, trialPublication, type CloneTarget, type Failed } from './attach-to-clone.js';
import { partMoves } from '../../../ddl/own-names.js';
import { cloneNames } from './clone-names.js';
import { columnNames, isRenamed, withNewNames, type ColumnNames } from './renamed-columns.js';

export interface DefinitionsTrial {
  readonly session: Session;
  readonly source: TableShape;
  readonly clone: QualifiedName;
  readonly cloneOid: number;
  readonly definitions: Definitions;
  /** The clone's shapes before and after the change. */
  readonly before: TableShape;
  readonly after: TableShape;
  /** After it, with its copies of serials' sequences. */
  readonly changed: TableShape;
  readonly role: string;
  /** What referred to the table before there was a clone. */
  readonly references: readonly Reference[];
  /** As the change leaves them; null where it does not touch them. */
  readonly foreignKeysOut: Definitions['foreignKeysOut'] | null;
  /** Makes the change on the clone, once more. */
  readonly change: () => Promise<void>;
}

export interface TriedDefinitions {
  readonly target: TargetDefinitions;
  /** OIDs of views whose output has other columns after the change. */
  readonly changed: ReadonlySet<number>;
  readonly refusals: readonly Failed[];
}

/** Where the definitions are tried: on the clone, under the names that things have there. */
export function cloneTarget({ session, source, clone, definitions, role }: DefinitionsTrial): CloneTarget {
  return {
    session,
    table: source.name,
    tableOid: source.oid,
    clone,
    names: cloneNames(source.name, definitions, clone.schema, partMoves(source, clone.schema)),
    role,
  };
}

/** In the trial's transaction, on the unchanged clone; leaves it so. */
export async function tryDefinitions(trial: DefinitionsTrial): Promise<TriedDefinitions> {
  const { session, source, definitions } = trial;
  const target = cloneTarget(trial);
  const names = columnNames(trial.before, trial.after);
  const renamed = isRenamed(names) ? await followRenames(trial, target, names) : definitions;
  const renamedAll = withNewNames(renamed, source.oid, names);
  const wanted = { ...renamedAll, foreignKeysOut: trial.foreignKeysOut ?? renamedAll.foreignKeysOut };
  await session.batch(['savepoint definitions']);
  try {
    await trial.change();
    const { refusals, views } = await attachToClone(target, wanted);
    const left = await newReferences(trial);
    const changed = await changedViews(session, wanted.views, views);
    // A view that calls a function which is dropped cannot stay either.
    for (const oid of wanted.rowTypeFunctions.flatMap((fn) => fn.views)) changed.add(oid);
    const decided = withDecisions(wanted.views, changed);
    return {
      target: { ...wanted, views: decided },
      changed,
      refusals: [
        ...refusals,
        ...left,
        ...decided.flatMap(viewRefusals),
        ...wanted.rowTypeFunctions.flatMap((fn) => functionRefusals(fn, isRenamed(names))),
      ],
    };
  } finally {
    await session.batch(['rollback to savepoint definitions']);
  }
}

/** Whatever was made and refers to the source would go on meaning the old table. Nobody knows all the ways in which it may. */
async function newReferences({
  session,
  source,
  clone,
  before,
  changed,
  references,
}: DefinitionsTrial): Promise<Failed[]> {
  const known = new Set(references.map(({ catalog, oid }) => `${catalog} ${oid}`));
  const now = await withDeparseSettings(session, () =>
    readReferences(session, { tableOid: source.oid, staying: stayingSequences(source, before, changed) }),
  );
  const own = (text: string): string =>
    text.replaceAll(clone.schema, displayQualified(ident(source.name.schema)));
  return now
    .filter(({ catalog, oid }) => !known.has(`${catalog} ${oid}`))
    .map(({ oid, name, to }) => ({
      code: 'names-old-table',
      oid,
      message: `${own(name)} refers to ${own(to)} in a way that cannot follow: it would go on meaning the old table`,
      hint: 'leave it out of the change, or drop it before, and make it again after the migration',
    }));
}

async function followRenames(
  { session, clone, cloneOid, definitions, before, after }: DefinitionsTrial,
  target: CloneTarget,
  names: ColumnNames,
): Promise<Definitions> {
  await session.batch(['savepoint renamed']);
  try {
    // Foreign keys and labels are made of names, not of text: `withNewNames` does them.
    await attachToClone(target, {
      ...definitions,
      foreignKeysIn: [],
      foreignKeysOut: [],
      securityLabels: [],
    });
    await session.batch(renameStatements(qualified(clone), before, after, names));
    const now = relocateDefinitions(await readDefinitions(session, cloneOid), target.names.back);
    return withTextsOf(definitions, now, target);
  } finally {
    await session.batch(['rollback to savepoint renamed']);
  }
}

/** By way of names that nobody has, since two columns may exchange theirs. */
function renameStatements(
  table: string,
  before: TableShape,
  after: TableShape,
  names: ColumnNames,
): string[] {
  const taken = new Set(after.columns.map(({ name }) => name));
  const moving = before.columns.filter(({ name }) => {
    const to = names.get(name);
    return to === null ? taken.has(name) : to !== name;
  });
  const rename = (from: string, to: string): string =>
    `alter table ${table} rename column ${ident(from)} to ${ident(to)}`;
  return [
    ...moving.map(({ name, attnum }) => rename(name, `ghost_column_${attnum}`)),
    ...moving.flatMap(({ name, attnum }) => {
      const to = names.get(name);
      return to == null ? [] : [rename(`ghost_column_${attnum}`, to)];
    }),
  ];
}

/** The objects as they are, with the texts that the server has now. Those that it could not make keep theirs. */
function withTextsOf(original: Definitions, now: Definitions, target: CloneTarget): Definitions {
  const same = <T extends { readonly name: string; readonly table: QualifiedName }>(
    list: readonly T[],
    { name, table }: T,
  ): T | undefined =>
    list.find((each) => each.name === name && displayName(each.table) === displayName(table));
  return {
    ...original,
    triggers: original.triggers.map((each) => ({
      ...each,
      definition: same(now.triggers, each)?.definition ?? each.definition,
    })),
    rules: original.rules.map((each) => ({
      ...each,
      definition: same(now.rules, each)?.definition ?? each.definition,
    })),
    policies: original.policies.map((each) => {
      const { using, check } = same(now.policies, each) ?? each;
      return { ...each, using, check };
    }),
    publications: original.publications.map((each, index) => {
      const name = trialPublication(target.clone, index);
      const found = now.publications.find(({ publication }) => publication === name);
      return found === undefined ? each : { ...each, filter: found.filter };
    }),
    views: original.views.map((view) => {
      const found = now.views.find(({ name }) => displayName(name) === displayName(view.name));
      return found === undefined ? view : withViewTexts(view, found);
    }),
    functions: original.functions.map((each) => {
      const here = target.names.schemaOf(each.name.schema);
      const found = now.functions.find(
        (candidate) =>
          candidate.signature.replace(here, each.name.schema) === each.signature ||
          (candidate.name.schema === here && sameArguments(candidate.signature, each.signature)),
      );
      return found === undefined
        ? each
        : { ...each, definition: relocateFunction(found, each.name).definition };
    }),
    policiesElsewhere: original.policiesElsewhere.map((each) => {
      const { using, check } = same(now.policiesElsewhere, each) ?? each;
      return { ...each, using, check };
    }),
    rulesElsewhere: original.rulesElsewhere.map((each) => ({
      ...each,
      definition: same(now.rulesElsewhere, each)?.definition ?? each.definition,
    })),
    defaultsElsewhere: original.defaultsElsewhere.map((each) => ({
      ...each,
      expression: same(now.defaultsElsewhere, each)?.expression ?? each.expression,
    })),
  };
}

/** The signatures from the function's name on, without the schema before it. */
function sameArguments(one: string, other: string): boolean {
  const from = (signature: string): string => signature.slice(signature.indexOf('.') + 1);
  return from(one) === from(other);
}

function withViewTexts(view: View, found: View): View {
  return {
    ...view,
    definition: found.definition,
    rules: view.rules.map((each) => ({
      ...each,
      definition: found.rules.find(({ name }) => name === each.name)?.definition ?? each.definition,
    })),
  };
}

/** OIDs of those whose output has other columns now. */
async function changedViews(
  session: Session,
  views: readonly View[],
  made: ReadonlyMap<number, QualifiedName>,
): Promise<Set<number>> {
  const outputs = await outputsOf(session, [...made.values()]);
  const changed = new Set<number>();
  for (const view of views) {
    const name = made.get(view.oid);
    const now = name === undefined ? undefined : outputs.get(qualified(name));
    const before = view.columns.map(({ name: column, type, collation }) => ({
      name: column,
      type,
      collation,
    }));
    if (now === undefined || JSON.stringify(now) !== JSON.stringify(before)) changed.add(view.oid);
  }
  return changed;
}

async function outputsOf(
  session: Session,
  views: readonly QualifiedName[],
): Promise<ReadonlyMap<string, unknown[]>> {
  if (views.length === 0) return new Map();
  const rows = await withDeparseSettings(session, () =>
    session.rows<{ view: string; columns: unknown[] }>({
      text: `
        select v.name as view, (
          select json_agg(json_build_object(
            'name', a.attname::text,
            'type', format_type(a.atttypid, a.atttypmod),
            'collation', case when a.attcollation <> 0 and a.attcollation <> t.typcollation
              then quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
            end
          ) order by a.attnum)
          from pg_attribute as a
          join pg_type as t on t.oid = a.atttypid
          left join pg_collation as co on co.oid = a.attcollation
          left join pg_namespace as cn on cn.oid = co.collnamespace
          where a.attrelid = v.name::regclass
            and a.attnum > 0
            and not a.attisdropped
        ) as columns
        from unnest($1::text[]) as v (name)`,
      values: [views.map(qualified)],
    }),
  );
  return new Map(rows.map(({ view, columns }) => [view, columns]));
}

type Decided = TargetDefinitions['views'][number];

/** A view that reads one which is dropped is dropped too. The list has each after those that it reads. */
function withDecisions(views: readonly View[], changed: ReadonlySet<number>): Decided[] {
  const dropped = new Set<number>();
  return views.map((view) => {
    const recreate = view.materialized || changed.has(view.oid) || view.reads.some((oid) => dropped.has(oid));
    if (recreate) dropped.add(view.oid);
    return { ...view, how: recreate ? 'recreate' : 'replace' };
  });
}

function functionRefusals(fn: RowTypeFunction, followsRenames: boolean): Failed[] {
  const bound = `${fn.kind} ${fn.signature} is bound to the table's row type and has to be dropped and made again`;
  const facts = { oid: fn.oid, code: 'function-row-type' };
  if (fn.users.length > 0) {
    return [
      {
        ...facts,
        message: `${bound}, but ${namesOf(fn.users)} depends on it`,
        hint: 'drop that before and create it again after the migration, if the application can do without it meanwhile',
      },
    ];
  }
  if (followsRenames && fn.hasSqlBody) {
    return [
      {
        ...facts,
        message: `${bound}, but its SQL body would go on naming the columns that the change renames`,
        hint: 'rename the columns by a change of its own, which is native',
      },
    ];
  }
  return [];
}

function viewRefusals(view: Decided): Failed[] {
  if (view.how === 'replace' || view.users.length === 0) return [];
  return [
    {
      oid: view.oid,
      code: view.materialized ? 'materialized-view' : 'view',
      message: `view ${displayName(view.name)} has to be dropped and made again, but ${namesOf(view.users)} depends on it`,
      hint: 'drop that before and create it again after the migration, if the application can do without it meanwhile',
    },
  ];
}

function namesOf(objects: readonly NamedObject[]): string {
  return objects
    .map(({ name }) => name)
    .toSorted()
    .join(', ');
}
