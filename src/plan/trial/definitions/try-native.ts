/**
 * Whether PostgreSQL makes a change in place, with everything on the clone that hangs on the table: alone, or when what
 * stands in its way is taken off and put back around it. In the trial's transaction; leaves the clone unchanged.
 */
import type { ForeignKey, TakenOff } from '../../../model/definitions.js';
import { readColumnUsers } from '../../../catalog/column-users.js';
import type { Dependent } from '../../../model/dependent.js';
import { isServerError } from '../../../db/sqlstate.js';
import { relocateDefinitions } from '../../../ddl/relocate.js';
import { relocateFunction } from '../../../ddl/relocate-function.js';
import { putBackStatements, takeOffStatements } from '../../../ddl/take-off-sql.js';
import type { Refusal } from '../../../errors.js';
import { displayName, ident, qualified } from '../../../sql/quote.js';
import {
  attachToClone,
  otherSide,
  trialPublication,
  withOriginalNames,
  withoutOwner,
  type CloneTarget,
  type Failed,
} from './attach-to-clone.js';
import { inStoredForm } from '../../../sql/stored-form.js';
import { takenOff, takenViews } from './taken-off.js';
import { cloneTarget, type DefinitionsTrial, type TriedDefinitions } from './try-definitions.js';

interface NativeStatement {
  /** The user's text. */
  readonly label: string;
  /** On the clone. */
  readonly statement: string;
}

export interface NativeTrialInput extends DefinitionsTrial {
  readonly statements: readonly NativeStatement[];
  readonly dependents: readonly Dependent[];
  readonly tried: TriedDefinitions;
}

export interface NativeTrial {
  /** null: PostgreSQL makes the change as it is. */
  readonly refused: Refusal | null;
  /** With this taken off and put back it makes it; null where that is not needed, or does not help. */
  readonly around: TakenOff | null;
  /** Foreign keys that PostgreSQL drops or makes again with the change, and whose other table it locks for that. */
  readonly foreignKeys: readonly ForeignKey[];
  /** What could not be made on the unchanged clone either: nothing is known about it. */
  readonly untried: readonly Failed[];
}

interface Outcome {
  readonly refused: Refusal | null;
  readonly foreignKeys: readonly ForeignKey[];
  readonly untried: readonly Failed[];
}

export async function tryNative(input: NativeTrialInput): Promise<NativeTrial> {
  const alone = await attempt(input, null);
  if (alone.refused === null) return { ...alone, around: null };
  const taken = await findTakenOff(input);
  if (taken === null) return { ...alone, around: null };
  const around = await attempt(input, taken);
  return around.refused === null
    ? { ...around, refused: alone.refused, around: taken }
    : // What is left when that is out of the way says more than what came first.
      { ...around, around: null };
}

/** null where nothing can be taken off, or not without a loss. */
async function findTakenOff(input: NativeTrialInput): Promise<TakenOff | null> {
  const { session, source, before, after, definitions, tried, dependents } = input;
  const retyped = before.columns.filter(({ attnum, typeOid, typmod }) => {
    const now = after.columns.find((column) => column.attnum === attnum);
    return now !== undefined && (now.typeOid !== typeOid || now.typmod !== typmod);
  });
  if (retyped.length === 0) return null;
  // No statement of ours would bring such a mark back.
  if (dependents.some(({ kind, extension }) => kind === 'depends-on-extension' || extension !== null))
    return null;
  const users = await readColumnUsers(
    session,
    [source.oid],
    retyped.map(({ name }) => name),
  );
  const views = takenViews(tried.target.views, { views: new Set(users.views), changed: tried.changed });
  const dropped = views.filter(({ how }) => how === 'recreate');
  // A materialized view would have to be filled under the lock.
  if (views.some(({ materialized, temporary }) => materialized || temporary)) return null;
  if (dropped.some((view) => view.users.length > 0)) return null;
  const readers = await readColumnUsers(
    session,
    dropped.map(({ oid }) => oid),
    null,
  );
  const objects = new Set([...users.objects, ...readers.objects]);
  return takenOff(definitions, tried.target, objects, views);
}

async function attempt(input: NativeTrialInput, taken: TakenOff | null): Promise<Outcome> {
  const { session, clone, definitions } = input;
  const target = cloneTarget(input);
  const unmade = unmadeDefaults(input);
  await session.batch(['savepoint native']);
  try {
    const { refusals } = await attachToClone(target, definitions);
    await makeStandIns(input);
    const before = await readForeignKeys(input);
    const here = taken === null ? null : onClone(taken, target, definitions);
    const statements = [
      ...(here === null ? [] : takeOffStatements(clone, here)).map((statement) => ({
        label: null,
        statement,
      })),
      ...input.statements,
      ...(here === null ? [] : putBackStatements(clone, here)).map((statement) => ({
        label: null,
        statement,
      })),
    ];
    for (const { label, statement } of statements) {
      try {
        await (label === null
          ? session.batch([inStoredForm(statement)])
          : session.asUser(() => session.batch([statement])));
      } catch (error) {
        if (!isServerError(error)) throw error;
        const said = (text: string): string => originalText(text, input, target);
        const detail = error.detail === undefined ? '' : ` (${said(error.detail).split('\n').join('; ')})`;
        const refused: Refusal = {
          code: 'rejected-by-server',
          message: `${label ?? 'what uses the column cannot be made again after the change'}: ${said(error.message)}${detail}`,
          hint: 'drop or change what is named before the change, and make it again after it; or leave this action out',
        };
        return { refused, foreignKeys: [], untried: [...refusals, ...unmade] };
      }
    }
    const now = new Set((await readForeignKeys(input)).map(({ oid }) => oid));
    const keys = [...definitions.foreignKeysOut, ...definitions.foreignKeysIn];
    const gone = before.flatMap(({ oid, other }) => {
      const key = keys[Number(other.slice(otherSide(0).length - 1))];
      return now.has(oid) || key === undefined ? [] : [key];
    });
    return { refused: null, foreignKeys: gone, untried: [...refusals, ...unmade] };
  } finally {
    await session.batch(['rollback to savepoint native']);
  }
}

/** Defaults of other tables that are not among the definitions: of views, or drawing from a serial's sequence only. */
function unmadeDefaults({ dependents, definitions }: NativeTrialInput): Failed[] {
  return dependents
    .filter(
      ({ kind, oid }) =>
        kind === 'default-elsewhere' && !definitions.defaultsElsewhere.some((each) => each.oid === oid),
    )
    .map(({ kind, oid, name }) => ({ code: kind, oid, message: `${name}: nothing like it is on the clone` }));
}

function onClone(
  { source, target: wanted }: TakenOff,
  target: CloneTarget,
  all: DefinitionsTrial['definitions'],
): TakenOff {
  const moved = <D extends TakenOff['source'] | TakenOff['target']>(definitions: D): D => {
    const here = relocateDefinitions(definitions, target.names.moves);
    return {
      ...here,
      views: here.views.map((view) => withoutOwner(view, target.role)),
      functions: here.functions.map((fn) =>
        relocateFunction(fn, { schema: target.names.schemaOf(fn.name.schema), name: fn.name.name }),
      ),
      publications: here.publications.map((member) => {
        const index = all.publications.findIndex(({ oid }) => oid === member.oid);
        return { ...member, publication: trialPublication(target.clone, index) };
      }),
    };
  };
  return { source: moved(source), target: moved(wanted) };
}

const rowTypeUser = 'ghost_row_type';

/** What binds the table by its row type, its parents or its type, and is not among the definitions. */
async function makeStandIns({ session, source, clone, dependents }: NativeTrialInput): Promise<void> {
  const table = qualified(clone);
  const has = (kind: Dependent['kind']): boolean => dependents.some((each) => each.kind === kind);
  const parent = qualified({ schema: clone.schema, name: 'ghost_parent' });
  const statements: string[][] = has('row-type-column')
    ? [[`create table ${qualified({ schema: clone.schema, name: rowTypeUser })} (used ${table})`]]
    : [];
  const bound = await session.rows<{ oid: string; type: string | null }>({
    text: `
      select i.inhparent::regclass::text as oid, null::text as type
      from pg_inherits as i
      where i.inhrelid = $1
      union all
      select null, reloftype::regtype::text from pg_class where oid = $1 and reloftype <> 0`,
    values: [source.oid],
  });
  for (const [index, { oid, type }] of bound.entries()) {
    statements.push(
      type === null
        ? [
            `create table ${parent.slice(0, -1)}_${index}" (like ${oid} including constraints)`,
            `alter table ${table} inherit ${parent.slice(0, -1)}_${index}"`,
          ]
        : [`alter table ${table} of ${type}`],
    );
  }
  for (const each of statements) {
    try {
      await session.batch(['savepoint stand_in', ...each, 'release savepoint stand_in']);
    } catch (error) {
      if (!isServerError(error)) throw error;
      await session.batch(['rollback to savepoint stand_in']);
    }
  }
}

async function readForeignKeys({
  session,
  cloneOid,
}: NativeTrialInput): Promise<{ oid: number; other: string }[]> {
  return await session.rows({
    text: `
      select con.oid, c.relname as other
      from pg_constraint as con
      join pg_class as c on c.oid = case when con.conrelid = $1 then con.confrelid else con.conrelid end
      where con.contype = 'f'
        and $1 in (con.conrelid, con.confrelid)
        and con.conrelid <> con.confrelid`,
    values: [cloneOid],
  });
}

/** The server speaks of the clone and of stand-ins. */
function originalText(text: string, input: NativeTrialInput, { names }: CloneTarget): string {
  const { definitions, source, clone, dependents } = input;
  const keys = [...definitions.foreignKeysOut, ...definitions.foreignKeysIn];
  const withTables = keys.reduceRight((said, key, index) => {
    const other = key.tableOid === source.oid ? key.references : key.table;
    return said
      .replaceAll(`${clone.schema}.${otherSide(index)}`, displayName(other))
      .replaceAll(otherSide(index), displayName(other));
  }, text);
  const columns = dependents.filter(({ kind }) => kind === 'row-type-column').map(({ name }) => name);
  return withOriginalNames(
    withTables.replaceAll(`column "${rowTypeUser}.used"`, columns.join(', ')),
    names,
  ).replaceAll(`${ident(clone.schema)}.`, '');
}
