/**
 * The oracle's eyes: everything that the catalog says about a schema, without OIDs, physical positions and order, so
 * that the snapshot of a database where ALTER TABLE ran natively equals that of one where the tool ran.
 *
 * It shares no code with src/, on purpose: what the tool forgets to look at must not be forgotten here as well.
 */
import type pg from 'pg';

export interface Queryable {
  query(text: string, values?: unknown[]): Promise<pg.QueryResult<Record<string, unknown>>>;
}

export interface SnapshotOptions {
  /** Also where the sequences stand (`last_value`, `is_called`). */
  readonly sequenceValues?: boolean;
}

export type CatalogSnapshot = Record<string, unknown>;

/** All objects of a schema by name, with what hangs on them: plain data for `expect(actual).toEqual(expected)`. */
export async function catalogSnapshot(
  client: Queryable,
  schema: string,
  { sequenceValues = false }: SnapshotOptions = {},
): Promise<CatalogSnapshot> {
  return await withEmptySearchPath(client, async () => {
    const { rows: versions } = await client.query(
      `select current_setting('server_version_num')::int as version`,
    );
    const version = Number(versions[0]?.['version']);
    const snapshot: Record<string, unknown> = {};
    for (const [part, text] of Object.entries(queries(version))) {
      const { rows } = await client.query(text, [schema]);
      snapshot[part] = Object.fromEntries(rows.map(({ key, ...facts }) => [String(key), facts]));
    }
    if (sequenceValues) snapshot['sequence values'] = await readSequenceValues(client, schema);
    return snapshot;
  });
}

/** The rows of a table as text, in an order of their own. */
export async function tableRows(client: Queryable, table: string): Promise<string[]> {
  const { rows } = await client.query(
    `select t::text as row from only ${table} as t order by t::text collate "C"`,
  );
  return rows.map(({ row }) => String(row));
}

/** As `tableRows`, for tables too large to compare in the test: their number, and a digest that knows no order. */
export async function tableDigest(
  client: Queryable,
  table: string,
): Promise<{ rows: number; digest: string }> {
  const { rows } = await client.query(
    `select count(*)::int as rows, coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::int8), 0)::text as digest
     from only ${table} as t`,
  );
  return rows[0] as { rows: number; digest: string };
}

async function withEmptySearchPath<T>(client: Queryable, work: () => Promise<T>): Promise<T> {
  const names = ['search_path', 'timezone', 'datestyle', 'intervalstyle'];
  const plain = ['', 'UTC', 'ISO, YMD', 'postgres'];
  const { rows } = await client.query(
    `select ${names.map((name) => `current_setting('${name}') as ${name}`).join(', ')}`,
  );
  const set = (values: unknown[]): Promise<unknown> =>
    client.query(
      `select ${names.map((name, i) => `set_config('${name}', $${i + 1}, false)`).join(', ')}`,
      values,
    );
  await set(plain);
  try {
    return await work();
  } finally {
    await set(names.map((name) => rows[0]?.[name]));
  }
}

async function readSequenceValues(client: Queryable, schema: string): Promise<Record<string, unknown>> {
  const { rows } = await client.query(
    `select c.relname::text as name, format('%I.%I', n.nspname, c.relname) as sequence
     from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'S'`,
    [schema],
  );
  const values: Record<string, unknown> = {};
  for (const { name, sequence } of rows) {
    const result = await client.query(`select last_value::text, is_called from ${String(sequence)}`);
    values[String(name)] = result.rows[0];
  }
  return values;
}

/** Sorted texts: `SELECT to reader by owner with grant option`. */
function acl(list: string, type: string, owner: string): string {
  return `array(
    select privilege_type || ' to ' || case grantee when 0 then 'public' else grantee::regrole::text end
      || ' by ' || grantor::regrole::text || case when is_grantable then ' with grant option' else '' end
    from aclexplode(coalesce(${list}, acldefault('${type}', ${owner})))
    order by 1
  )`;
}

function comment(catalog: string, oid: string): string {
  return `(select description from pg_description
    where classoid = '${catalog}'::regclass and objoid = ${oid} and objsubid = 0)`;
}

function labels(catalog: string, oid: string, objsubid: string): string {
  return `array(select provider || ': ' || label from pg_seclabel
    where classoid = '${catalog}'::regclass and objoid = ${oid} and objsubid = ${objsubid} order by 1)`;
}

const notOfExtension = (catalog: string, oid: string): string => `not exists (
  select from pg_depend as d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;
const sorted = (array: string): string => `array(select x from unnest(${array}) as x order by 1)`;
const tablespace = (oid: string): string => `(select spcname::text from pg_tablespace where oid = ${oid})`;
/** A row as JSON has what this version has. */
const field = (row: string, name: string): string => `to_jsonb(${row}) ->> '${name}'`;
/** Column names for attribute numbers, in the given order. */
const columnNames = (relation: string, numbers: string): string => `array(
  select a.attname::text from unnest(${numbers}) with ordinality as k (n, i)
  join pg_attribute as a on a.attrelid = ${relation} and a.attnum = k.n order by k.i)`;

/** Each has the parameter $1, the schema, and a column `key`. */
function queries(version: number): Record<string, string> {
  const inSchema = `join pg_namespace as n on n.oid = c.relnamespace and n.nspname = $1`;
  return {
    schema: `
      select nspname::text as key, nspowner::regrole::text as owner, ${acl('nspacl', 'n', 'nspowner')} as acl,
        ${comment('pg_namespace', 'oid')} as comment
      from pg_namespace where nspname = $1`,
    relations: `
      select c.relname::text as key, c.relkind::text as kind, c.relowner::regrole::text as owner,
        c.relpersistence::text as persistence, am.amname::text as "access method",
        ${tablespace('c.reltablespace')} as tablespace, ${sorted('c.reloptions')} as options,
        ${sorted('toast.reloptions')} as "toast options", ${tablespace('toast.reltablespace')} as "toast tablespace",
        c.relreplident::text as "replica identity", c.relrowsecurity as "row security",
        c.relforcerowsecurity as "forced row security",
        case when c.reloftype <> 0 then c.reloftype::regtype::text end as "of type", c.relispartition as "is partition",
        ${acl('c.relacl', 'r', 'c.relowner')} as acl, ${comment('pg_class', 'c.oid')} as comment,
        ${labels('pg_class', 'c.oid', '0')} as labels,
        case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end as definition,
        array(
          select p.oid::regclass::text from pg_inherits as i join pg_class as p on p.oid = i.inhparent
          where i.inhrelid = c.oid order by i.inhseqno
        ) as parents,
        array(
          select d.refclassid::regclass::text || ' ' || x.extname || ' ' || d.deptype::text
          from pg_depend as d join pg_extension as x on x.oid = d.refobjid
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_extension'::regclass
        ) as extensions
      from pg_class as c ${inSchema}
      left join pg_am as am on am.oid = c.relam
      left join pg_class as toast on toast.oid = c.reltoastrelid
      where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')`,
    // Not attndims: PostgreSQL ignores it, and pg_dump loses it too.
    columns: `
      select c.relname || '.' || a.attname as key,
        row_number() over (partition by c.oid order by a.attnum)::int as position,
        format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as "not null",
        case when a.attcollation <> 0 then a.attcollation::regcollation::text end as collation,
        pg_get_expr(d.adbin, d.adrelid) as default, a.attgenerated::text as generated, a.attidentity::text as identity,
        a.attstorage::text as storage, a.attcompression::text as compression,
        nullif(a.attstattarget, -1) as "statistics target", ${sorted('a.attoptions')} as options,
        a.attislocal as local, a.attinhcount as inherited,
        ${acl('a.attacl', 'c', 'c.relowner')} as acl, col_description(c.oid, a.attnum) as comment,
        ${labels('pg_class', 'c.oid', 'a.attnum')} as labels
      from pg_attribute as a
      join pg_class as c on c.oid = a.attrelid ${inSchema}
      left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')`,
    constraints: `
      select c.relname || '.' || con.conname as key, con.contype::text as type,
        case con.contype when 't' then null else pg_get_constraintdef(con.oid) end as definition,
        con.convalidated as validated, ${field('con', 'conenforced')} as enforced, con.condeferrable as deferrable,
        con.condeferred as "initially deferred", con.connoinherit as "no inherit", con.conislocal as local,
        con.coninhcount as inherited, ${columnNames('con.conrelid', 'con.conkey')} as columns,
        case when con.confrelid <> 0 then con.confrelid::regclass::text end as referenced,
        (select relname::text from pg_class where oid = con.conindid) as index,
        ${comment('pg_constraint', 'con.oid')} as comment
      from pg_constraint as con
      join pg_class as c on c.oid = con.conrelid ${inSchema}`,
    // Those of other schemas that reference tables of this one.
    'incoming foreign keys': `
      select con.conrelid::regclass::text || '.' || con.conname as key, pg_get_constraintdef(con.oid) as definition,
        con.convalidated as validated, ${comment('pg_constraint', 'con.oid')} as comment,
        (select relname::text from pg_class where oid = con.conindid) as index
      from pg_constraint as con
      join pg_class as c on c.oid = con.confrelid ${inSchema}
      where con.contype = 'f'`,
    indexes: `
      select ic.relname::text as key, c.relname::text as table, pg_get_indexdef(i.indexrelid) as definition,
        i.indisunique as unique, i.indisprimary as primary, i.indisexclusion as exclusion, i.indimmediate as immediate,
        i.indisclustered as clustered, i.indisvalid as valid, i.indisready as ready, i.indislive as live,
        i.indisreplident as "replica identity", ${tablespace('ic.reltablespace')} as tablespace,
        ${sorted('ic.reloptions')} as options, ic.relowner::regrole::text as owner,
        ic.relpersistence::text as persistence,
        -- What an index calls its column is what the table called it when the index was made; nobody sees it.
        array(select format('%s %s', attnum, nullif(attstattarget, -1))
          from pg_attribute where attrelid = ic.oid order by attnum) as "columns and statistics targets",
        (select conname::text from pg_constraint where conindid = i.indexrelid and conrelid = i.indrelid
          and contype in ('p', 'u', 'x')) as constraint,
        ${comment('pg_class', 'ic.oid')} as comment,
        array(select x.extname::text from pg_depend as d join pg_extension as x on x.oid = d.refobjid
          where d.classid = 'pg_class'::regclass and d.objid = ic.oid and d.deptype = 'x') as "depends on extensions"
      from pg_index as i
      join pg_class as ic on ic.oid = i.indexrelid
      join pg_class as c on c.oid = i.indrelid ${inSchema}`,
    sequences: `
      select c.relname::text as key, c.relowner::regrole::text as owner, c.relpersistence::text as persistence,
        format_type(s.seqtypid, null) as type, s.seqstart::text as start, s.seqincrement::text as increment,
        s.seqmin::text as min, s.seqmax::text as max, s.seqcache::text as cache, s.seqcycle as cycle,
        (
          select d.deptype::text || ' ' || d.refobjid::regclass || '.' || a.attname
          from pg_depend as d
          join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
        ) as "owned by",
        ${acl('c.relacl', 's', 'c.relowner')} as acl, ${comment('pg_class', 'c.oid')} as comment
      from pg_sequence as s
      join pg_class as c on c.oid = s.seqrelid ${inSchema}`,
    triggers: `
      select c.relname || '.' || tg.tgname as key, pg_get_triggerdef(tg.oid) as definition,
        tg.tgenabled::text as enabled, tg.tgparentid <> 0 as inherited, ${comment('pg_trigger', 'tg.oid')} as comment,
        array(select x.extname::text from pg_depend as d join pg_extension as x on x.oid = d.refobjid
          where d.classid = 'pg_trigger'::regclass and d.objid = tg.oid and d.deptype = 'x') as "depends on extensions"
      from pg_trigger as tg
      join pg_class as c on c.oid = tg.tgrelid ${inSchema}
      where not tg.tgisinternal`,
    // They have no stable names: what they are, how many, and whether DISABLE TRIGGER ALL was here.
    'internal triggers': `
      select format('%s %s on %s: %s', con.conname, tg.tgfoid::regproc, c.relname, tg.tgenabled) as key,
        count(*)::int as number, bool_or(tg.tgdeferrable) as deferrable, bool_or(tg.tginitdeferred) as deferred
      from pg_trigger as tg
      join pg_class as c on c.oid = tg.tgrelid ${inSchema}
      left join pg_constraint as con on con.oid = tg.tgconstraint
      where tg.tgisinternal
      group by 1`,
    policies: `
      select c.relname || '.' || p.polname as key, p.polcmd::text as command, p.polpermissive as permissive,
        array(select case r when 0 then 'public' else r::regrole::text end from unnest(p.polroles) as r order by 1)
          as roles,
        pg_get_expr(p.polqual, p.polrelid) as using, pg_get_expr(p.polwithcheck, p.polrelid) as check,
        ${comment('pg_policy', 'p.oid')} as comment
      from pg_policy as p
      join pg_class as c on c.oid = p.polrelid ${inSchema}`,
    rules: `
      select c.relname || '.' || r.rulename as key, pg_get_ruledef(r.oid) as definition, r.ev_enabled::text as enabled,
        ${comment('pg_rewrite', 'r.oid')} as comment
      from pg_rewrite as r
      join pg_class as c on c.oid = r.ev_class ${inSchema}`,
    'extended statistics': `
      select s.stxname::text as key, pg_get_statisticsobjdef(s.oid) as definition, s.stxowner::regrole::text as owner,
        nullif(s.stxstattarget, -1) as target, sn.nspname::text as schema,
        ${comment('pg_statistic_ext', 's.oid')} as comment
      from pg_statistic_ext as s
      join pg_namespace as sn on sn.oid = s.stxnamespace
      join pg_class as c on c.oid = s.stxrelid
      join pg_namespace as n on n.oid = c.relnamespace
      where $1 in (n.nspname, sn.nspname)`,
    functions: `
      select p.oid::regprocedure::text as key, pg_get_functiondef(p.oid) as definition,
        p.proowner::regrole::text as owner, ${acl('p.proacl', 'f', 'p.proowner')} as acl,
        ${comment('pg_proc', 'p.oid')} as comment,
        array(
          select pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) from pg_depend as d
          where d.classid = 'pg_proc'::regclass and d.objid = p.oid order by 1
        ) as "depends on"
      from pg_proc as p
      join pg_namespace as n on n.oid = p.pronamespace and n.nspname = $1
      where p.prokind in ('f', 'p') and ${notOfExtension('pg_proc', 'p.oid')}`,
    types: `
      select format_type(t.oid, null) as key, t.typtype::text as type, t.typowner::regrole::text as owner,
        ${acl('t.typacl', 'T', 't.typowner')} as acl, ${comment('pg_type', 't.oid')} as comment,
        case when t.typbasetype <> 0 then format_type(t.typbasetype, t.typtypmod) end as base,
        t.typnotnull as "not null", t.typdefault as default,
        case when t.typcollation <> 0 then t.typcollation::regcollation::text end as collation,
        array(
          select format('%s %s %s', con.conname, pg_get_constraintdef(con.oid), con.convalidated)
          from pg_constraint as con where con.contypid = t.oid order by 1
        ) as constraints,
        array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder) as labels
      from pg_type as t
      join pg_namespace as n on n.oid = t.typnamespace and n.nspname = $1
      where t.typtype in ('d', 'e', 'c', 'r') and ${notOfExtension('pg_type', 't.oid')}`,
    extensions: `
      select x.extname::text as key, x.extversion as version
      from pg_extension as x
      join pg_namespace as n on n.oid = x.extnamespace and n.nspname = $1`,
    publications: `
      select p.pubname || ' ' || pr.prrelid::regclass as key, pg_get_expr(shown.qual, pr.prrelid) as filter,
        shown.columns
      from pg_publication_rel as pr
      join pg_publication as p on p.oid = pr.prpubid
      join pg_class as c on c.oid = pr.prrelid ${inSchema}
      cross join lateral (
        select ${version >= 150000 ? 'pr.prqual' : 'null::pg_node_tree'} as qual,
          ${version >= 150000 ? columnNames('pr.prrelid', 'pr.prattrs') : 'array[]::text[]'} as columns
      ) as shown`,
    subscriptions: `
      select s.subname || ' ' || r.srrelid::regclass as key, r.srsubstate::text as state
      from pg_subscription_rel as r
      join pg_subscription as s on s.oid = r.srsubid
      join pg_class as c on c.oid = r.srrelid ${inSchema}`,
  };
}
