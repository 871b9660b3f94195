/**
 * The change log as capture needs it, whatever event triggers did to it: a trigger or a row security policy on it would
 * break the application's writes or lose keys, and a function of another owner may not write to it.
 */
import { addedByEventTrigger } from '../catalog/event-trigger-errors.js';
import { firingAt, readEventTriggers } from '../catalog/event-triggers.js';
import { readIntruders, removeIntruders, type Intruder } from '../catalog/intruders.js';
import type { Session } from '../db/session.js';
import type { QualifiedName } from '../model/name.js';
import { captureSchema } from './key-log.js';

/** What a capture has made in its schema. */
export interface CaptureObjects {
  readonly tables: readonly QualifiedName[];
  /** Of any of these tables. */
  readonly columns: readonly string[];
  readonly functions: readonly QualifiedName[];
}

/**
 * In the transaction that made it.
 *
 * @throws RefusedError `event-trigger` when something stays that must not be there
 */
export async function setRightCapture(
  session: Session,
  { tables, columns, functions }: CaptureObjects,
): Promise<void> {
  const triggers = await readEventTriggers(session);
  if (triggers.length === 0) return;
  const names = tables.map(({ name }) => name);
  const { role, found } = await session.row<{ role: string; found: number[] }>({
    text: `
      select
        current_user::text as role,
        array(
          select c.oid
          from pg_class as c
          join pg_namespace as n on n.oid = c.relnamespace
          where n.nspname = $1 and c.relname = any ($2::name[])
          order by c.oid
        ) as found`,
    values: [captureSchema, names],
  });
  const { left } = await removeIntruders(session, async () => {
    const intruders: Intruder[] = [];
    for (const oid of found) intruders.push(...(await readIntruders(session, { oid, owner: role })));
    intruders.push(
      ...(await session.rows<Intruder>({ text: logPartsSql, values: [found, names, columns] })),
      ...(await session.rows<Intruder>({
        text: functionsSql,
        values: [captureSchema, functions.map(({ name }) => name), role],
      })),
    );
    return intruders;
  });
  const gone =
    found.length === names.length ? [] : [{ what: 'a table was renamed, moved or dropped', remove: [] }];
  if (left.length + gone.length === 0) return;
  const behind = firingAt(triggers, ['CREATE TABLE', 'CREATE FUNCTION', 'CREATE TYPE', 'CREATE INDEX']);
  throw addedByEventTrigger('the change log', [...gone, ...left], behind, session.serverVersion);
}

/** Each index would be paid for by the application's writes. */
const logPartsSql = `
  select 'index ' || i.indexrelid::regclass as what, array[format('drop index %s', i.indexrelid::regclass)] as remove
  from pg_index as i
  join pg_class as x on x.oid = i.indexrelid
  where i.indrelid = any ($1::oid[])
    and x.relname <> all (select unnest($2::text[]) || '_key')
  union all
  select 'column ' || quote_ident(a.attname) || ' of ' || a.attrelid::regclass,
    array[format('alter table %s drop column %I', a.attrelid::regclass, a.attname)]
  from pg_attribute as a
  where a.attrelid = any ($1::oid[])
    and a.attnum > 0
    and not a.attisdropped
    and a.attname <> all ($3::name[])`;

/** Not given back: each switch of the log's segments replaces the function, and the event trigger would be there again. */
const functionsSql = `
  select 'function ' || p.oid::regprocedure || ' belongs to ' || pg_get_userbyid(p.proowner) as what, '{}'::text[] as remove
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = $1
    and p.proname = any ($2::name[])
    and (pg_get_userbyid(p.proowner) <> $3 or not p.prosecdef)`;
