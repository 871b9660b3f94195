/** Small pieces that several of these queries share. */

/** A relation's name as JSON; the aliases are of pg_namespace and pg_class. */
export const nameJson = (namespace: string, relation: string): string =>
  `json_build_object('schema', ${namespace}.nspname, 'name', ${relation}.relname)`;

/** `tgenabled`, `ev_enabled`. */
export const firingStateSql = (column: string): string =>
  `case ${column} when 'D' then 'disabled' when 'A' then 'always' when 'R' then 'replica' else 'origin' end`;

/** Belongs to an extension: not the user's to make. */
export const notOfExtension = (catalog: string, oid: string): string => `
  not exists (
    select from pg_depend as e
    where e.classid = '${catalog}'::regclass
      and e.objid = ${oid}
      and e.refclassid = 'pg_extension'::regclass
      and e.deptype = 'e'
  )`;

/** Names of the extensions on which an object is marked to depend (`ALTER ... DEPENDS ON EXTENSION`). Both are SQL. */
export const extensionMarksSql = (catalog: string, oid: string): string => `array(
      select x.extname::text
      from pg_depend as d
      join pg_extension as x on x.oid = d.refobjid
      where d.classid = '${catalog}'::regclass
        and d.objid = ${oid}
        and d.refclassid = 'pg_extension'::regclass
        and d.deptype = 'x'
      order by 1
    )`;

/** `NamedObject`s as JSON, in an order that no language changes. @param objects a query of catalog, OID, part and name */
export const namedObjectsSql = (objects: string): string => `(
      select coalesce(
        json_agg(json_build_object('catalog', catalog, 'oid', oid::int8, 'part', part, 'name', name) order by catalog, oid, part),
        '[]'
      )
      from (${objects}
      ) as o (catalog, oid, part, name)
    )`;
