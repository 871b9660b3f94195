/**
 * What a round's database has around the table, as other people's databases do: settings that read and print values in another
 * way, functions that stand in front of PostgreSQL's own, event triggers, a role with a name that must be quoted.
 */
import type { Random } from '../../src/lab/random.js';

export interface Surroundings {
  /** `name = value`, for ALTER DATABASE ... SET */
  readonly settings: readonly string[];
  /** Statements, when the table and its mirror are there */
  readonly setup: readonly string[];
  /** Whether pg-ghost connects as `oddRole` */
  readonly oddRole: boolean;
  readonly described: readonly string[];
}

/** A superuser, so that it changes nothing but what its name is read by. */
export const oddRole = 'Soak "Ö\'role';

/** What makes text mean something else in another session. */
const settingChoices = [
  "datestyle = 'SQL, DMY'",
  "datestyle = 'German'",
  "timezone = 'Europe/Dublin'",
  "intervalstyle = 'sql_standard'",
  'extra_float_digits = 0',
  "bytea_output = 'escape'",
  'search_path = fore, pg_catalog, public',
  "statement_timeout = '20s'",
  "default_transaction_isolation = 'repeatable read'",
];

/** A schema that is looked at before pg_catalog: whoever lets PostgreSQL look a name up gets these. */
const foreSchema = [
  'create schema fore',
  ...['upper', 'lower', 'reverse'].map(
    (name) =>
      `create function fore.${name}(text) returns text language sql immutable as $$ select 'fore ' || $1 $$`,
  ),
  "create function fore.now() returns timestamptz language sql stable as $$ select timestamptz 'epoch' $$",
  'create function fore.never(integer, integer) returns boolean language sql immutable as $$ select false $$',
];

/** Each does something to every new table. */
const eventTriggers: Record<string, { tags: string; body: string; setup?: readonly string[] }> = {
  'row security': { tags: "'CREATE TABLE'", body: eachTable('alter table %s enable row level security') },
  'a trigger': {
    tags: "'CREATE TABLE'",
    // Nothing that copies or applies rows may fire it.
    setup: [
      `create function m.fired() returns trigger language plpgsql as
       $$ begin raise exception 'a trigger was fired on %', tg_relid::regclass; end $$`,
    ],
    body: eachTable(
      'create trigger added before insert or update or delete on %s for each row execute function m.fired()',
    ),
  },
  'a comment': { tags: "'CREATE TABLE'", body: eachTable("comment on table %s is 'made by hand'") },
  'an option': { tags: "'CREATE TABLE'", body: eachTable('alter table %s set (fillfactor = 41)') },
  'a grant': { tags: "'CREATE TABLE'", body: eachTable('grant delete on %s to soak_reader') },
  'a log': {
    tags: '',
    setup: ['create table m.ddl_log (tag text)'],
    body: 'for made in select * from pg_event_trigger_ddl_commands() loop insert into m.ddl_log values (made.command_tag); end loop;',
  },
};

/** @param statement with %s for the table */
function eachTable(statement: string) {
  return `for made in select * from pg_event_trigger_ddl_commands() where object_type = 'table' loop
    execute format(${`'${statement.replaceAll("'", "''")}'`}, made.object_identity);
  end loop;`;
}

export function randomSurroundings(random: Random): Surroundings {
  const settings = random.chance(0.4) ? random.shuffled(settingChoices).slice(0, random.int(1, 3)) : [];
  const added = random.chance(0.3) ? random.pick(Object.keys(eventTriggers)) : null;
  const hasOddRole = random.chance(0.2);
  return {
    // One value for a name.
    settings: settings.filter(
      (setting, i) => settings.findIndex((other) => nameOf(other) === nameOf(setting)) === i,
    ),
    setup: [
      ...(settings.some((setting) => nameOf(setting) === 'search_path') ? foreSchema : []),
      ...(added === null ? [] : eventTriggerStatements(added)),
    ],
    oddRole: hasOddRole,
    described: [
      ...settings,
      ...(added === null ? [] : [`event trigger adds ${added}`]),
      ...(hasOddRole ? ['odd role'] : []),
    ],
  };
}

function eventTriggerStatements(kind: string) {
  const { tags, body, setup = [] } = eventTriggers[kind] as (typeof eventTriggers)[string];
  return [
    ...setup,
    `create function m.on_ddl() returns event_trigger language plpgsql as $$ declare made record; begin ${body} end $$`,
    `create event trigger on_ddl on ddl_command_end ${tags === '' ? '' : `when tag in (${tags})`} execute function m.on_ddl()`,
  ];
}

function nameOf(setting: string) {
  return setting.split(' ')[0];
}
