/**
 * Makes on the clone what hangs on the table, each object in a savepoint of its own: what the server says of those that
 * cannot be is the plan's refusal. Nothing here locks anything of the user's more than a SELECT does: other tables are
 * stood in for by empty ones of ours.
 */
import type {
  Definitions,
  ForeignKey,
  Policy,
  RowTypeFunction,
  Rule,
  View,
} from '../../../model/definitions.js';
import { withDeparseSettings } from '../../../catalog/deparse-settings.js';
import { isServerError } from '../../../db/sqlstate.js';
import type { Session } from '../../../db/session.js';
import { setDefault } from '../../../ddl/default-sql.js';
import { addForeignKey } from '../../../ddl/foreign-key-sql.js';
import { replaceFunction } from '../../../ddl/function-sql.js';
import { relocateFunction } from '../../../ddl/relocate-function.js';
import { publishedTable } from '../../../ddl/publication-sql.js';
import { createPolicy } from '../../../ddl/row-security-sql.js';
import { relocateDefinitions } from '../../../ddl/relocate.js';
import { createRule } from '../../../ddl/rule-sql.js';
import { securityLabelStatements } from '../../../ddl/security-label-sql.js';
import { createTrigger } from '../../../ddl/trigger-sql.js';
import { createView } from '../../../ddl/view-sql.js';
import type { Refusal } from '../../../errors.js';
import { displayName, ident, qualified } from '../../../sql/quote.js';
import type { QualifiedName } from '../../../model/name.js';
import { inStoredForm } from '../../../sql/stored-form.js';
import { otherTables, type CloneNames } from './clone-names.js';

export interface CloneTarget {
  readonly session: Session;
  readonly table: QualifiedName;
  readonly tableOid: number;
  readonly clone: QualifiedName;
  readonly names: CloneNames;
  /** Becomes the owner of everything: giving it away would take rights in schemas of ours. */
  readonly role: string;
}

/** An object that PostgreSQL would not make on the changed table. */
export interface Failed extends Refusal {
  readonly oid: number;
}

export interface Attached {
  readonly refusals: readonly Failed[];
  /** Those that could be made, by the OID of the original. */
  readonly views: ReadonlyMap<number, QualifiedName>;
}

/** Names of the trial's publications, one for each membership. */
export function trialPublication(clone: QualifiedName, index: number): string {
  return `${clone.schema}_pub_${index}`;
}

export async function attachToClone(target: CloneTarget, original: Definitions): Promise<Attached> {
  const { session, names, clone } = target;
  const refusals: Failed[] = [];
  const attempt = async (
    kind: string,
    oid: number,
    what: string,
    statements: readonly string[],
  ): Promise<boolean> => {
    try {
      await session.batch([
        'savepoint attached',
        ...statements.map(inStoredForm),
        'release savepoint attached',
      ]);
      return true;
    } catch (error) {
      if (!isServerError(error)) throw error;
      await session.batch(['rollback to savepoint attached']);
      const reason = withOriginalNames(error.message, names);
      refusals.push({
        code: kind,
        oid,
        message: `${what} cannot be made on the new table: ${reason}`,
        hint: 'change or drop it before the migration, or change the request',
      });
      return false;
    }
  };
  await session.batch([
    ...names.schemas.map((schema) => `create schema ${ident(schema)}`),
    ...(await standIns(session, otherTables(original), names)),
  ]);
  const here = relocateDefinitions(original, names.moves);
  const label = (name: string, table: QualifiedName): string => `${name} on ${displayName(table)}`;
  const makeRowTyped = async (hasSqlBody: boolean): Promise<void> => {
    for (const fn of here.rowTypeFunctions.filter((each) => each.hasSqlBody === hasSqlBody)) {
      await attempt('function-row-type', fn.oid, `${fn.kind} ${fn.signature}`, [beside(fn, names)]);
    }
  };
  await session.batch(['set local check_function_bodies = off']);
  await makeRowTyped(false);
  const views = new Map<number, QualifiedName>();
  for (const [index, view] of here.views.entries()) {
    const source = original.views[index] ?? view;
    // What it reads could not be made: that has been said.
    if (!view.reads.every((oid) => views.has(oid))) continue;
    const statements = createView(withoutOwner(view, target.role));
    const kind = view.materialized ? 'materialized-view' : 'view';
    if (await attempt(kind, view.oid, `${kind.replace('-', ' ')} ${displayName(source.name)}`, statements)) {
      views.set(view.oid, view.name);
    }
  }
  await makeRowTyped(true);
  for (const fn of here.functions) {
    const moved = relocateFunction(fn, { schema: names.schemaOf(fn.name.schema), name: fn.name.name });
    await attempt('function-body', fn.oid, `${fn.kind} ${fn.signature}`, [replaceFunction(moved)]);
  }
  for (const [index, rule] of here.rules.entries()) {
    await attempt(
      'rule',
      rule.oid,
      `rule ${label(rule.name, original.rules[index]?.table ?? rule.table)}`,
      createRule(rule),
    );
  }
  for (const trigger of here.triggers) {
    const kind = /^create constraint/i.test(trigger.definition) ? 'constraint-trigger' : 'trigger';
    await attempt(kind, trigger.oid, `trigger ${label(trigger.name, target.table)}`, createTrigger(trigger));
  }
  for (const policy of here.policies) {
    await attempt('policy', policy.oid, `policy ${label(policy.name, target.table)}`, createPolicy(policy));
  }
  const elsewhere: readonly (readonly [string, Policy | Rule, readonly string[]])[] = [
    ...here.policiesElsewhere.map((each) => ['policy-elsewhere', each, createPolicy(each)] as const),
    ...here.rulesElsewhere.map((each) => ['rule-elsewhere', each, createRule(each)] as const),
  ];
  for (const [kind, each, statements] of elsewhere) {
    const home = homeName(each.table, names);
    await attempt(kind, each.oid, `${kind.split('-')[0]} ${label(each.name, home)}`, statements);
  }
  for (const each of here.defaultsElsewhere) {
    const home = homeName(each.table, names);
    await attempt('default-elsewhere', each.oid, `the default of column ${label(each.name, home)}`, [
      setDefault(each),
    ]);
  }
  for (const [index, member] of here.publications.entries()) {
    const name = ident(trialPublication(clone, index));
    await attempt('publication', member.oid, `publication ${member.publication}`, [
      `create publication ${name} for table ${publishedTable(member, clone)}`,
    ]);
  }
  for (const [index, key] of [...here.foreignKeysOut, ...here.foreignKeysIn].entries()) {
    await attempt(
      foreignKeyKind(key, target.tableOid),
      key.oid,
      `foreign key ${key.name} of ${displayName(homeOf(key, target))}`,
      [...foreignKeyStatements(key, target, index)],
    );
  }
  if (here.securityLabels.length > 0) {
    await attempt('security-label', target.tableOid, `the security label of ${displayName(target.table)}`, [
      ...securityLabelStatements(clone, here.securityLabels),
    ]);
  }
  return { refusals, views };
}

/**
 * One that takes rows of the clone can stand beside the original, where views that call it look for it; another has the
 * original's arguments, and so needs a schema of its own.
 */
function beside(fn: RowTypeFunction, names: CloneNames): string {
  if (fn.takesRow) return fn.definition;
  return relocateFunction(fn, { schema: names.schemaOf(fn.name.schema), name: fn.name.name }).definition;
}

/** Empty tables with the columns of others. LIKE would take SELECT on them. */
async function standIns(
  session: Session,
  tables: readonly QualifiedName[],
  names: CloneNames,
): Promise<string[]> {
  if (tables.length === 0) return [];
  const rows = await withDeparseSettings(session, () =>
    session.rows<{ schema: string; name: string; columns: string }>({
      text: `
        select n.nspname::text as schema, c.relname::text as name,
          coalesce(string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum), '') as columns
        from jsonb_to_recordset($1::jsonb) as t (schema name, name name)
        join pg_namespace as n on n.nspname = t.schema
        join pg_class as c on c.relnamespace = n.oid and c.relname = t.name
        left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        group by 1, 2`,
      values: [JSON.stringify(tables)],
    }),
  );
  return rows.map(
    ({ schema, name, columns }) =>
      `create table ${qualified({ schema: names.schemaOf(schema), name })} (${columns})`,
  );
}

/** The stand-in at the other end of a foreign key, by its place: those of the table first, then those to it. */
export function otherSide(index: number): string {
  return `ghost_other_${index}`;
}

function foreignKeyKind(key: ForeignKey, tableOid: number): string {
  if (key.tableOid === key.referencesOid) return 'foreign-key-self';
  return key.tableOid === tableOid ? 'foreign-key-out' : 'foreign-key-in';
}

function homeOf(key: ForeignKey, { table, tableOid }: CloneTarget): QualifiedName {
  return key.tableOid === tableOid ? table : key.table;
}

function homeName(table: QualifiedName, { back }: CloneNames): QualifiedName {
  return back.find(({ from }) => sameName(from, table))?.to ?? table;
}

function sameName(a: QualifiedName, b: QualifiedName): boolean {
  return a.schema === b.schema && a.name === b.name;
}

export function withoutOwner<V extends View>(view: V, role: string): V {
  const columns = view.columns.map((column) => ({ ...column, grants: [] }));
  return { ...view, owner: role, grants: [], columns };
}

/** The other side of it is an empty table of ours, as lasting as the real one, with columns of the same types and collations. */
function foreignKeyStatements(key: ForeignKey, target: CloneTarget, index: number): string[] {
  const other = { schema: target.clone.schema, name: otherSide(index) };
  const isSelf = key.tableOid === key.referencesOid;
  if (isSelf) return addForeignKey({ ...key, table: target.clone, references: target.clone });
  const isOut = key.tableOid === target.tableOid;
  return [
    isOut ? referencedStandIn(key, other) : referencingStandIn(key, other),
    ...addForeignKey(
      isOut
        ? { ...key, table: target.clone, references: other }
        : { ...key, table: other, references: target.clone },
    ),
  ];
}

export function referencedStandIn(key: ForeignKey, name: QualifiedName): string {
  const { referencedColumns, referencedTypes, referencedCollations } = key;
  const columns = standInColumns(referencedColumns, referencedTypes, referencedCollations);
  const overlaps = key.period ? ' without overlaps' : '';
  const unique = `unique (${referencedColumns.map(ident).join(', ')}${overlaps})`;
  return `create ${key.referencesUnlogged ? 'unlogged ' : ''}table ${qualified(name)} (${[...columns, unique].join(', ')})`;
}

function referencingStandIn(key: ForeignKey, name: QualifiedName): string {
  const columns = standInColumns(key.columns, key.columnTypes, key.columnCollations);
  return `create ${key.tableUnlogged ? 'unlogged ' : ''}table ${qualified(name)} (${columns.join(', ')})`;
}

function standInColumns(
  columns: readonly string[],
  types: readonly string[],
  collations: readonly (string | null)[],
): string[] {
  return columns.map((column, at) => {
    const collation = collations[at] ?? null;
    return `${ident(column)} ${types[at] ?? ''}${collation === null ? '' : ` collate ${collation}`}`;
  });
}

/** The server speaks of the trial's schemas. */
export function withOriginalNames(message: string, names: CloneNames): string {
  return names.moves.reduce(
    (text, { from, to }) => text.replaceAll(`${to.schema}.`, `${from.schema}.`),
    message,
  );
}
