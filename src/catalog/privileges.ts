/** What this role would have to be granted before it can migrate a table. */
import type { Session } from '../db/session.js';
import { frozen } from './freeze.js';
import type { Definitions } from './definitions.js';
import type { TableShape } from './types.js';

/**
 * GRANT statements for an administrator to run; empty when nothing is missing. A superuser lacks nothing, an owner
 * mostly CREATE on the database (our schemas), another role membership in the owner's.
 */
export async function missingPrivileges(
  session: Session,
  shape: TableShape,
  definitions: Definitions | null = null,
): Promise<string[]> {
  const rows = await session.rows<{ statement: string }>({
    text: missingSql(session.serverVersion),
    values: [
      shape.oid,
      [...new Set([...becomeRoles(shape), ...(definitions === null ? [] : ownersOf(definitions))])],
      tablespaces(shape),
      (definitions?.foreignKeysOut ?? []).map(({ referencesOid }) => referencesOid),
      (definitions?.triggers ?? []).map(({ oid }) => oid),
      elsewhereTables(definitions),
    ],
  });
  return frozen(rows.map(({ statement }) => statement));
}

/**
 * GRANT statements for making objects in these schemas, and giving them to their owners. Replacing a view or a function takes
 * CREATE on its schema just as making one does.
 */
export async function missingCreate(
  session: Session,
  objects: readonly { readonly schema: string; readonly owner: string }[],
): Promise<string[]> {
  const rows = await session.rows<{ statement: string }>({
    text: `
      select distinct format('grant create on schema %I to %I', r.schema, who.role) as statement
      from jsonb_to_recordset($1::jsonb) as r (schema text, owner text)
      cross join lateral (values (current_user::text), (r.owner)) as who (role)
      where not has_schema_privilege(who.role, r.schema, 'create')
        -- A superuser may give a view to whomever.
        and not current_setting('is_superuser')::boolean
      order by 1`,
    values: [JSON.stringify(objects)],
  });
  return rows.map(({ statement }) => statement);
}

/** Grants of other roles than the owner can only be made again as these roles. */
function becomeRoles(shape: TableShape): string[] {
  const grants = [
    ...shape.grants,
    ...shape.columns.flatMap((column) => column.grants),
    ...shape.sequences.filter(({ identity }) => identity).flatMap((sequence) => sequence.grants),
  ];
  return [...new Set([shape.owner, ...grants.map(({ grantor }) => grantor)])];
}

/** Only their owners may replace, alter or drop these. */
function ownersOf({ views, functions, foreignKeysIn, publications }: Definitions): string[] {
  const grants = views.flatMap((view) => [
    ...view.grants,
    ...view.columns.flatMap((column) => column.grants),
  ]);
  return [
    ...[...views, ...functions, ...publications].map(({ owner }) => owner),
    ...grants.map(({ grantor }) => grantor),
    ...foreignKeysIn.map(({ tableOwner }) => tableOwner),
  ];
}

function elsewhereTables(definitions: Definitions | null): number[] {
  return [...(definitions?.policiesElsewhere ?? []), ...(definitions?.rulesElsewhere ?? [])].map(
    ({ tableOid }) => tableOid,
  );
}

function tablespaces(shape: TableShape): string[] {
  const names = [shape.tablespace, ...shape.indexes.map(({ tablespace }) => tablespace)];
  return [...new Set(names.filter((name) => name !== null))];
}

/** Before 16 it is not the membership but the member that inherits or does not. */
const inheritSql = `
      select 1, format('alter role %s inherit', me.name)
      from me, t
      where pg_has_role(t.relowner, 'member')
        and not pg_has_role(t.relowner, 'usage')
      union all`;

/**
 * Owning goes by inheritance (`usage`), giving to the owner and acting as a grantor by being able to SET ROLE: before
 * 16 every member is, since then only one granted so. https://www.postgresql.org/docs/current/role-membership.html
 */
function missingSql(serverVersion: number): string {
  const mayBecome = serverVersion >= 160000 ? `pg_has_role(r.oid, 'set')` : `pg_has_role(r.oid, 'member')`;
  const options = serverVersion >= 160000 ? ' with inherit true, set true' : '';
  return `
    with
    me as (select oid, quote_ident(rolname) as name from pg_roles where rolname = current_user),
    t as (
      select c.relowner, n.oid as schema_oid, quote_ident(n.nspname) as schema
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      where c.oid = $1
    )
    select statement
    from (
      select 1, format('grant %I to %s${options}', r.rolname, me.name)
      from me, t, pg_roles as r
      where r.rolname = any ($2::name[])
        and not (${mayBecome} and ${serverVersion >= 160000 ? `(r.oid <> t.relowner or pg_has_role(r.oid, 'usage'))` : 'true'})
      union all
${serverVersion >= 160000 ? '' : inheritSql}      select 2, format('grant create on database %I to %s', current_database(), me.name)
      from me
      where not has_database_privilege(current_database(), 'create')
      union all
      select 3, format('grant usage, create on schema %s to %s', t.schema, me.name)
      from me, t
      where not (has_schema_privilege(t.schema_oid, 'usage') and has_schema_privilege(t.schema_oid, 'create'))
      union all
      select 4, format('grant references on %s to %s', ref.oid::regclass, me.name)
      from me, unnest($4::oid[]) as ref (oid)
      where not (has_table_privilege(ref.oid, 'references') or has_any_column_privilege(ref.oid, 'references'))
      union all
      select 5, format('grant execute on function %s to %s', tg.tgfoid::regprocedure, me.name)
      from me, pg_trigger as tg
      where tg.oid = any ($5::oid[])
        and not has_function_privilege(tg.tgfoid, 'execute')
      union all
      select 6, format('grant %I to %s${options}', pg_get_userbyid(c.relowner), me.name)
      from me, pg_class as c
      where c.oid = any ($6::oid[])
        and not pg_has_role(c.relowner, 'usage')
      union all
      select 7, format('alter role %s bypassrls', me.name)
      from me
      where row_security_active($1)
      union all
      select 8, format('grant create on tablespace %I to %s', ts.spcname, me.name)
      from me, pg_tablespace as ts
      where ts.spcname = any ($3::name[])
        and not has_tablespace_privilege(ts.oid, 'create')
    ) as missing (position, statement)
    order by position, statement collate "C"`;
}
