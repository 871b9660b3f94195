/** What a role would have to be granted before it can migrate a table: the least that helps, and what helps instead. */
import type { Session } from '../db/session.js';
import type { QualifiedName } from '../model/name.js';
import { withDeparseSettings } from './deparse-settings.js';
import { frozen } from './freeze.js';
import type { Definitions } from '../model/definitions.js';
import type { TableShape } from '../model/table-shape.js';

/** Something that a role lacks. */
export interface Lack {
  /** For an administrator to run; every name in it is qualified. */
  readonly statement: string;
  /** Gives more, and helps as well; null where there is no other way. */
  readonly instead: string | null;
}

/** An object that is made: replacing a view or a function takes CREATE on its schema just as making one does. */
export interface CreatedObject {
  readonly schema: string;
  /** Whom it is given to, who needs CREATE too; null where it stays whose it is. */
  readonly owner: string | null;
}

export interface Needs {
  readonly shape: TableShape;
  /** What hangs on the table, as far as it is made anew. */
  readonly definitions: Definitions | null;
  readonly created: readonly CreatedObject[];
}

export interface Lacking {
  /** Of the connecting role; empty when nothing is missing. */
  readonly own: readonly Lack[];
  /** The table's owner, if that is another role that may log in, and what it lacks. */
  readonly owner: { readonly role: string; readonly lacks: readonly Lack[] } | null;
}

/** A superuser lacks nothing, an owner mostly CREATE on the database (our schemas), another role membership in the owner's. */
export async function readLacking(session: Session, needs: Needs): Promise<Lacking> {
  return await withDeparseSettings(session, async () => {
    const own = await lacksOf(session, needs, null);
    if (own.length === 0) return frozen({ own, owner: null });
    const [owner] = await session.rows<{ role: string }>({
      text: `select rolname::text as role from pg_roles where rolname = $1 and rolcanlogin and rolname <> current_user`,
      values: [needs.shape.owner],
    });
    if (owner === undefined) return frozen({ own, owner: null });
    return frozen({ own, owner: { ...owner, lacks: await lacksOf(session, needs, owner.role) } });
  });
}

/** @param role null: the connecting one */
async function lacksOf(
  session: Session,
  { shape, definitions, created }: Needs,
  role: string | null,
): Promise<Lack[]> {
  return await session.rows<Lack>({
    text: lacksSql(session.serverVersion),
    values: [
      shape.oid,
      JSON.stringify([...tableRoles(shape), ...(definitions === null ? [] : dependentRoles(definitions))]),
      tablespaces(shape),
      (definitions?.foreignKeysOut ?? []).map(({ referencesOid }) => referencesOid),
      (definitions?.triggers ?? []).map(({ oid }) => oid),
      role,
      JSON.stringify(created),
      otherSchemas(definitions),
      elsewhereTables(definitions),
    ],
  });
}

/**
 * Owning goes by inheritance (`usage`), giving to the owner and acting as a grantor by being able to SET ROLE: before
 * 16 every member is, since then only one granted so. https://www.postgresql.org/docs/current/role-membership.html
 */
interface NeededRole {
  readonly name: string;
  readonly usage: boolean;
  readonly set: boolean;
}

const ownerOf = (name: string): NeededRole => ({ name, usage: true, set: true });
/** Its objects stay whose they are. */
const ownerOnly = (name: string): NeededRole => ({ name, usage: true, set: false });
/** Grants of other roles than the owner can only be made again as these roles. */
const grantorOf = ({ grantor }: { readonly grantor: string }): NeededRole => ({
  name: grantor,
  usage: false,
  set: true,
});

function tableRoles(shape: TableShape): NeededRole[] {
  const grants = [
    ...shape.grants,
    ...shape.columns.flatMap((column) => column.grants),
    ...shape.sequences.filter(({ identity }) => identity).flatMap((sequence) => sequence.grants),
  ];
  return [ownerOf(shape.owner), ...grants.map(grantorOf)];
}

/** Only their owners may replace, alter or drop these. */
function dependentRoles({
  views,
  functions,
  rowTypeFunctions,
  foreignKeysIn,
  publications,
}: Definitions): NeededRole[] {
  const grants = views.flatMap((view) => [
    ...view.grants,
    ...view.columns.flatMap((column) => column.grants),
  ]);
  return [
    ...[...views, ...rowTypeFunctions].map(({ owner }) => ownerOf(owner)),
    ...[...grants, ...rowTypeFunctions.flatMap((fn) => fn.grants ?? [])].map(grantorOf),
    ...[...functions, ...publications].map(({ owner }) => ownerOnly(owner)),
    ...foreignKeysIn.map(({ tableOwner }) => ownerOnly(tableOwner)),
  ];
}

/** Where statements look names up. */
function otherSchemas(definitions: Definitions | null): string[] {
  if (definitions === null) return [];
  const { views, functions, foreignKeysIn, foreignKeysOut } = definitions;
  const names: QualifiedName[] = [
    ...[...views, ...functions].map(({ name }) => name),
    ...[...foreignKeysIn, ...elsewhere(definitions)].map(({ table }) => table),
    ...foreignKeysOut.map(({ references }) => references),
  ];
  return [...new Set(names.map(({ schema }) => schema))];
}

function elsewhereTables(definitions: Definitions | null): number[] {
  return definitions === null ? [] : elsewhere(definitions).map(({ tableOid }) => tableOid);
}

/** What is made again on other tables. */
function elsewhere({
  policiesElsewhere,
  rulesElsewhere,
  defaultsElsewhere,
}: Definitions): { readonly table: QualifiedName; readonly tableOid: number }[] {
  return [...policiesElsewhere, ...rulesElsewhere, ...defaultsElsewhere];
}

function tablespaces(shape: TableShape): string[] {
  const names = [shape.tablespace, ...shape.indexes.map(({ tablespace }) => tablespace)];
  return [...new Set(names.filter((name) => name !== null))];
}

/** Since 16 a membership says for itself whether it inherits and may SET ROLE. */
const membershipsSql = `
      select 1, format(
        'grant %I to %I with %s', r.rolname, me.rolname,
        concat_ws(', ', case when r.lacks_usage then 'inherit true' end, case when r.lacks_set then 'set true' end)
      ), null
      from me, lacking_roles as r`;

/** Before 16 it is not the membership but the member that inherits or does not. */
const oldMembershipsSql = `
      select 1, format('grant %I to %I', r.rolname, me.rolname), null
      from me, lacking_roles as r
      where me.rolinherit or not r.is_member
      union all
      select 1, format('alter role %I inherit', me.rolname), null
      from me
      where not me.rolinherit
        and exists (select from lacking_roles where lacks_usage)`;

/**
 * What the memberships give is not asked for once more: REFERENCES, EXECUTE, CREATE and USAGE come with a role that
 * has them, and row level security does not apply to members of the owner unless it is forced.
 */
function lacksSql(serverVersion: number): string {
  const since16 = serverVersion >= 160000;
  const nobody = (has: string): string => `not exists (select from who where ${has})`;
  return `
    with
    me as (
      select oid, rolname, rolsuper, rolinherit, rolbypassrls from pg_roles where rolname = coalesce($6, current_user)
    ),
    t as (
      select c.oid, c.relowner, c.relrowsecurity, c.relforcerowsecurity, n.nspname
      from pg_class as c
      join pg_namespace as n on n.oid = c.relnamespace
      where c.oid = $1
    ),
    roles as (
      select r.oid, r.rolname, bool_or(need.usage) as usage, bool_or(need.set) as set
      from (
        select name, usage, set from jsonb_to_recordset($2::jsonb) as r (name name, usage boolean, set boolean)
        union all
        select pg_get_userbyid(relowner), true, false from pg_class where oid = any ($9::oid[])
      ) as need
      join pg_roles as r on r.rolname = need.name
      group by r.oid, r.rolname
    ),
    lacking_roles as (
      select l.*, pg_has_role(me.oid, l.oid, 'member') as is_member
      from me
      cross join lateral (
        select
          r.oid,
          r.rolname,
          r.usage and not pg_has_role(me.oid, r.oid, 'usage') as lacks_usage,
          r.set and not pg_has_role(me.oid, r.oid, '${since16 ? 'set' : 'member'}') as lacks_set
        from roles as r
      ) as l
      where l.lacks_usage or l.lacks_set
    ),
    -- Whose privileges the role has when these memberships are granted.
    who as (
      select oid from me
      union
      select oid from roles where usage
    )
    select statement, instead
    from (
      ${since16 ? membershipsSql : oldMembershipsSql}
      union all
      select 2, format('grant create on database %I to %I', current_database(), me.rolname), null
      from me
      where ${nobody(`has_database_privilege(who.oid, current_database(), 'create')`)}
      union all
      select 3, format('grant %s on schema %I to %I', string_agg(distinct lack.privilege, ', '), lack.schema, lack.grantee), null
      from (
        select t.nspname, p.privilege, me.rolname
        from me, t, (values ('usage'), ('create')) as p (privilege)
        where ${nobody('has_schema_privilege(who.oid, t.nspname, p.privilege)')}
        union
        select s.schema, 'usage', me.rolname
        from me, unnest($8::name[]) as s (schema)
        where ${nobody(`has_schema_privilege(who.oid, s.schema, 'usage')`)}
        union
        select c.schema, 'create', me.rolname
        from me, jsonb_to_recordset($7::jsonb) as c (schema name, owner name)
        where ${nobody(`has_schema_privilege(who.oid, c.schema, 'create')`)}
          -- What an owner is given, a member of it has.
          and not exists (
            select
            from jsonb_to_recordset($7::jsonb) as o (schema name, owner name)
            join roles as r on r.rolname = o.owner and r.usage
            where o.schema = c.schema
          )
        union
        -- A superuser may give a view to whomever.
        select c.schema, 'create', c.owner
        from me, jsonb_to_recordset($7::jsonb) as c (schema name, owner name)
        where not me.rolsuper
          and c.owner is not null
          and not has_schema_privilege(c.owner, c.schema, 'create')
      ) as lack (schema, privilege, grantee)
      group by lack.schema, lack.grantee
      union all
      select 4, format('grant references on %s to %I', ref.oid::regclass, me.rolname),
        format('grant %I to %I', pg_get_userbyid(c.relowner), me.rolname)${since16 ? ` || ' with inherit true'` : ''}
      from me, unnest($4::oid[]) as ref (oid)
      join pg_class as c on c.oid = ref.oid
      where ${nobody(`has_table_privilege(who.oid, ref.oid, 'references') or has_any_column_privilege(who.oid, ref.oid, 'references')`)}
      union all
      select 5, format('grant execute on function %s to %I', tg.tgfoid::regprocedure, me.rolname), null
      from me, pg_trigger as tg
      where tg.oid = any ($5::oid[])
        and ${nobody(`has_function_privilege(who.oid, tg.tgfoid, 'execute')`)}
      union all
      select 6, format('grant usage on type %I.%I to %I', n.nspname, ty.typname, me.rolname), null
      from me, pg_attribute as a
      join pg_type as at on at.oid = a.atttypid
      join pg_type as ty on ty.oid = case when at.typcategory = 'A' and at.typelem <> 0 then at.typelem else at.oid end
      join pg_namespace as n on n.oid = ty.typnamespace
      where a.attrelid = $1
        and a.attnum > 0
        and not a.attisdropped
        and ${nobody(`has_type_privilege(who.oid, ty.oid, 'usage')`)}
      union all
      select 7, format('alter role %I bypassrls', me.rolname),
        format('alter table %s no force row level security', t.oid::regclass)
      from me, t
      where t.relrowsecurity
        and t.relforcerowsecurity
        and not me.rolsuper
        and not me.rolbypassrls
      union all
      select 8, format('grant create on tablespace %I to %I', ts.spcname, me.rolname), null
      from me, pg_tablespace as ts
      where ts.spcname = any ($3::name[])
        and ${nobody(`has_tablespace_privilege(who.oid, ts.oid, 'create')`)}
    ) as missing (position, statement, instead)
    group by position, statement, instead
    order by position, statement collate "C"`;
}
