/**
 * Foreign keys that the request adds or validates: ALTER TABLE would fail at once where a row violates one, and so the run ends
 * before the swap. Rows that come after this look are found when the foreign key is validated.
 */
import { advice, toDo } from '../advice.js';
import type { ForeignKey } from '../model/definitions.js';
import type { Session } from '../db/session.js';
import { FailedError } from '../errors.js';
import { displayName, sql } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { orphansSql, type OrphanSearch } from '../verify/orphans-sql.js';
import type { LogApplier } from './log-applier.js';
import { whileApplying, type Applying } from './background-apply.js';
import type { TableContext } from './context.js';

/** Rows that differ each time are those that are being written. */
const maxLooks = 5;

/** @throws FailedError `new-foreign-key-violated` with the keys of rows */
export async function checkNewForeignKeys(context: TableContext, applier: LogApplier): Promise<void> {
  const { plan, sessions } = context;
  const checked = plan.checkedForeignKeys;
  if (checked.length === 0) return;
  await applier.catchUp();
  const session = await sessions.open('foreign keys');
  try {
    await whileApplying(context, applier, async (applying) => {
      for (const { name, operators } of checked) {
        const foreignKey = plan.definitions.target.foreignKeysOut.find((each) => each.name === name);
        if (foreignKey !== undefined) await checkOne(context, session, applying, foreignKey, operators);
      }
    });
  } finally {
    await sessions.release(session);
  }
}

async function checkOne(
  context: TableContext,
  session: Session,
  { caughtUp, signal }: Applying,
  foreignKey: ForeignKey,
  operators: readonly string[],
): Promise<void> {
  const { plan, schemas, emit } = context;
  const table = { schema: schemas.shadow, name: plan.table.name };
  const references =
    foreignKey.referencesOid === plan.source.oid ? table : await readable(session, foreignKey);
  if (references === null || foreignKey.period) {
    emit('warning', {
      code: 'foreign-key-unchecked',
      message: `foreign key ${foreignKey.name}: ${
        foreignKey.period
          ? 'rows that violate a PERIOD are not looked for before the swap'
          : `the rows of ${displayName(foreignKey.references)} cannot be read`
      }; if rows violate it, that is first seen after the swap, when it is validated`,
    });
    return;
  }
  const key = plan.key.columns.map(({ targetName }) => targetName);
  const search: OrphanSearch = { table, key, foreignKey, operators, references };
  for (let looks = 1; looks <= maxLooks; looks += 1) {
    signal.throwIfAborted();
    const found = await keysOf(session, search);
    if (found.length === 0) return;
    // The shadow is behind the other table: what it references may have been deleted, and the row as well.
    await caughtUp();
    const stay = await keysOf(session, { ...search, among: found });
    if (stay.length > 0) throw violated(context, foreignKey, stay);
  }
}

async function keysOf(session: Session, search: OrphanSearch): Promise<(readonly string[])[]> {
  const rows = await session.rows<{ key: string[] }>(orphansSql(search));
  return rows.map(({ key }) => key);
}

/** The referenced table under its present name; null where this role does not see all its rows. */
async function readable(
  session: Session,
  { referencesOid, referencedColumns }: ForeignKey,
): Promise<QualifiedName | null> {
  const [found] = await session.rows<QualifiedName>({
    text: sql`
      select n.nspname::text as schema, c.relname::text as name
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      where c.oid = $1
        and has_schema_privilege(n.oid, 'usage')
        and not row_security_active(c.oid)
        and (select bool_and(has_column_privilege(c.oid, name, 'select')) from unnest($2::text[]) as name)`,
    values: [referencesOid, referencedColumns],
  });
  return found ?? null;
}

function violated(
  { id, plan }: TableContext,
  { name, references }: ForeignKey,
  keys: readonly (readonly string[])[],
): FailedError {
  const sorted = keys.toSorted((a, b) => (a.join(', ') < b.join(', ') ? -1 : 1));
  const lines = sorted.map((key) => `\n  ${key.join(', ')}`);
  return new FailedError(
    'new-foreign-key-violated',
    `rows of ${displayName(plan.table)} violate foreign key ${name}: there is no such row in ${displayName(references)}${lines.join('')}`,
    {
      details: { constraint: name, keys: sorted },
      state: `nothing was swapped; the source is untouched, and migration ${id} keeps its state`,
      hint: advice`correct these rows and run the same command again, or ${toDo('abort', id)}; with NOT VALID the foreign key is added all the same`,
    },
  );
}
