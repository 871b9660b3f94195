/**
 * What the catalog says about the tables of a round, without OIDs and physical positions, so that a database where ALTER TABLE
 * ran natively looks like one where pg-ghost ran. Shares no code with src/ or test/: what is forgotten there must not be
 * forgotten here as well.
 */
import type pg from 'pg';

const ours = `c.relnamespace = 'public'::regnamespace`;

/** Without an entry there are the defaults, and both are the same. */
const grants = (list: string, type: string) => `array(
  select format('%s to %s by %s %s', privilege_type, grantee::regrole, grantor::regrole, is_grantable)
  from aclexplode(coalesce(${list}, acldefault(${type}, c.relowner))) order by 1)`;

/** Each has a column `key`. */
const queries = {
  relations: `
    select c.relname::text as key, c.relkind::text as kind, c.relowner::regrole::text as owner,
      c.relpersistence::text as persistence, ${grants('c.relacl', `case c.relkind when 'S' then 's' else 'r' end::"char"`)} as grants, c.relreplident::text as identity,
      c.relrowsecurity as security, c.relforcerowsecurity as forced, 
      array(select o from unnest(c.reloptions) as o order by 1)::text as options,
      array(select o from unnest(toast.reloptions) as o order by 1)::text as toast,
      case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as definition,
      obj_description(c.oid, 'pg_class') as comment
    from pg_class as c left join pg_class as toast on toast.oid = c.reltoastrelid
    where ${ours} and c.relkind in ('r', 'v', 'S')`,
  columns: `
    select format('%s.%s', c.relname, a.attname) as key,
      row_number() over (partition by c.oid order by a.attnum)::int as position,
      format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
      case when a.attcollation <> 0 then a.attcollation::regcollation::text end as collation,
      pg_get_expr(d.adbin, d.adrelid) as default, a.attgenerated::text as generated, a.attidentity::text as identity,
      a.attstorage::text as storage, nullif(a.attstattarget, -1) as statistics, ${grants('a.attacl', `'c'`)} as grants,
      a.attoptions::text as options, col_description(c.oid, a.attnum) as comment
    from pg_attribute as a
    join pg_class as c on c.oid = a.attrelid
    left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where ${ours} and c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped`,
  constraints: `
    select format('%s.%s', c.relname, con.conname) as key, con.contype::text as type,
      pg_get_constraintdef(con.oid) as definition, con.convalidated as validated, con.condeferrable as deferrable,
      con.condeferred as deferred, con.coninhcount as inherited, con.conislocal as local, con.connoinherit as alone,
      (select relname::text from pg_class where oid = con.conindid) as index,
      obj_description(con.oid, 'pg_constraint') as comment
    from pg_constraint as con join pg_class as c on c.oid = con.conrelid
    where ${ours}`,
  indexes: `
    select ic.relname::text as key, pg_get_indexdef(i.indexrelid) as definition, i.indisprimary as primary,
      i.indimmediate as immediate, i.indisvalid as valid, i.indisready as ready, i.indislive as live,
      i.indisclustered as clustered, i.indisreplident as identity, ic.reloptions::text as options,
      obj_description(ic.oid, 'pg_class') as comment
    from pg_index as i
    join pg_class as ic on ic.oid = i.indexrelid
    join pg_class as c on c.oid = i.indrelid
    where ${ours}`,
  triggers: `
    select format('%s.%s', c.relname, tg.tgname) as key, pg_get_triggerdef(tg.oid) as definition,
      tg.tgenabled::text as enabled, obj_description(tg.oid, 'pg_trigger') as comment
    from pg_trigger as tg join pg_class as c on c.oid = tg.tgrelid
    where ${ours} and not tg.tgisinternal`,
  policies: `
    select format('%s.%s', c.relname, p.polname) as key, p.polcmd::text as command, p.polpermissive as permissive,
      pg_get_expr(p.polqual, p.polrelid) as using, pg_get_expr(p.polwithcheck, p.polrelid) as check,
      array(select r::regrole::text from unnest(p.polroles) as r order by 1)::text as roles
    from pg_policy as p join pg_class as c on c.oid = p.polrelid
    where ${ours}`,
  'internal triggers': `
    select format('%s: %s on %s, %s', con.conname, tg.tgfoid::regproc, c.relname, tg.tgenabled) as key,
      count(*)::int as number
    from pg_trigger as tg
    join pg_class as c on c.oid = tg.tgrelid
    left join pg_constraint as con on con.oid = tg.tgconstraint
    where ${ours} and tg.tgisinternal group by 1`,
  sequences: `
    select c.relname::text as key, format_type(s.seqtypid, null) as type, s.seqstart::text as start,
      s.seqincrement::text as increment, s.seqmin::text as min, s.seqmax::text as max, s.seqcache::text as cache,
      s.seqcycle as cycle,
      (select format('%s %s.%s', d.deptype, d.refobjid::regclass, a.attname)
        from pg_depend as d join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')) as owned
    from pg_sequence as s join pg_class as c on c.oid = s.seqrelid
    where ${ours}`,
  statistics: `
    select s.stxname::text as key, pg_get_statisticsobjdef(s.oid) as definition
    from pg_statistic_ext as s join pg_class as c on c.oid = s.stxrelid
    where ${ours}`,
};

/** @returns one entry for each property of each object */
/** The settings of a round belong to its database, and clones do not have them: constants are printed alike everywhere. */
const printing = [
  ['search_path', ''],
  ['datestyle', 'ISO'],
  ['timezone', 'UTC'],
  ['intervalstyle', 'postgres'],
  ['extra_float_digits', '1'],
  ['bytea_output', 'hex'],
] as const;

export async function catalogOf(client: pg.Client): Promise<Map<string, string>> {
  const found: Map<string, string> = new Map();
  for (const [name, value] of printing) await client.query(`set ${name} to '${value}'`);
  for (const [part, text] of Object.entries(queries)) {
    const { rows } = await client.query(text);
    for (const { key, ...facts } of rows) {
      for (const [name, value] of Object.entries(facts)) {
        found.set(`${part} ${key} ${name}`, JSON.stringify(value));
      }
    }
  }
  for (const [name] of printing) await client.query(`reset ${name}`);
  return found;
}

export function catalogDifferences(actual: Map<string, string>, expected: Map<string, string>): string[] {
  const keys = [...new Set([...actual.keys(), ...expected.keys()])].toSorted();
  return keys
    .filter((key) => actual.get(key) !== expected.get(key))
    .map((key) => `${key}: ${actual.get(key) ?? 'not there'}, expected ${expected.get(key) ?? 'nothing'}`);
}

/** What may be left of a migration that has ended. */
const leftoverQueries = [
  `select 'schema ' || nspname as what from pg_namespace where nspname like 'ghost\\_%'`,
  // What belongs to one migration has its number in its name.
  `select 'relation ghost.' || relname as what from pg_class
   where relnamespace = to_regnamespace('ghost') and relname ~ '_[0-9]+(_|$)'`,
  `select 'function ' || oid::regprocedure as what from pg_proc
   where pronamespace = to_regnamespace('ghost') and proname ~ '_[0-9]+(_|$)'`,
  `select 'trigger ' || tgname || ' on ' || tgrelid::regclass as what from pg_trigger where tgname like 'ghost%'`,
  `select 'type ghost.' || typname as what from pg_type
   where typnamespace = to_regnamespace('ghost') and typname ~ '_[0-9]+(_|$)'`,
  `select 'index ' || relname as what from pg_class where relname like 'ghost\\_key\\_%'`,
  `select 'session ' || pid || ' ' || application_name as what from pg_stat_activity
   where datname = current_database() and application_name like 'pg-ghost%'`,
];

export async function leftovers(client: pg.Client): Promise<string[]> {
  const found: string[] = [];
  for (const text of leftoverQueries) {
    const { rows } = await client.query(text);
    found.push(...rows.map(({ what }) => String(what)));
  }
  return found;
}
