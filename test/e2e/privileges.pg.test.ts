/** Each way that the plan names for a role that lacks privileges is enough by itself: granted exactly, the run ends well. */
import { inWords } from '../../src/advice.js';
import { describe, expect, inject, test } from 'vitest';
import { plan } from '../../src/index.js';
import { createDatabase, type TestDatabase, type TestRole } from '../support/database.js';
import { request, runChange } from '../support/migration.js';

const major = inject('serverMajor');

interface Case {
  readonly name: string;
  /** What is there before anybody has been granted anything; `_me`, `_owner` and `_other` are roles. */
  readonly setup: string;
  /** First words of the statements of each way, in order. */
  readonly ways: readonly (readonly RegExp[])[];
  readonly minMajor?: number;
  readonly maxMajor?: number;
}

const table = `
  create schema app authorization _owner; revoke all on schema public from public;
  create table app."Order" (id integer primary key, o integer);
  insert into app."Order" values (1, 1), (2, null);
  alter table app."Order" owner to _owner;`;
const create = /^grant create on database \w+ to /;
const member = /^grant _owner to _me( with inherit true, set true)?$/;

const cases: readonly Case[] = [
  {
    name: 'membership in the owner gives references and row security along',
    setup: `
      create table app.kept (id integer primary key); alter table app.kept owner to _owner;
      insert into app.kept values (1); alter table app."Order" add foreign key (o) references app.kept (id);
      alter table app."Order" enable row level security; create policy p on app."Order" using (false);
      create function app.fires() returns trigger language plpgsql as 'begin return new; end';
      revoke execute on function app.fires() from public; alter function app.fires() owner to _owner;
      create trigger fires after insert on app."Order" for each row execute function app.fires();`,
    ways: [[member, create], [/^grant create on database \w+ to _owner$/]],
  },
  {
    name: 'row security that is forced',
    setup: `
      alter table app."Order" enable row level security, force row level security;
      create policy p on app."Order" using (false);
      grant _owner to _me; grant create on database db to _owner;`,
    ways: [
      [/^alter role _me bypassrls$/],
      [/^alter table app\."Order" no force row level security$/],
      [/^alter role _owner bypassrls$/],
    ],
  },
  {
    name: "a foreign key to somebody else's table in a schema of his",
    setup: `
      create schema "Other s"; create table "Other s".t (id integer primary key); insert into "Other s".t values (1);
      alter table "Other s".t owner to _other; alter table app."Order" add foreign key (o) references "Other s".t (id);
      grant usage on schema "Other s" to _other, _owner;
      grant _owner to _me; grant create on database db to _owner;`,
    ways: [
      [/^grant references on "Other s"\.t to _me$/],
      [/^grant _other to _me( with inherit true)?$/],
      [/^grant references on "Other s"\.t to _owner$/],
    ],
  },
  {
    name: 'a default of another role that means the table',
    setup: `
      create schema others; grant usage on schema others to _owner;
      create table others.line (t regclass default 'app."Order"'::regclass); alter table others.line owner to _other;
      grant usage on schema app to _other; grant _owner to _me; grant create on database db to _owner;`,
    ways: [[/^grant _other to _me( with inherit true)?$/], [/^grant _other to _owner( with inherit true)?$/]],
  },
  {
    name: 'views, functions, referencing tables and policies of another role',
    setup: `
      create schema others; grant usage on schema others to _owner;
      create view others.v as select id from app."Order"; create function others.f() returns bigint return (select max(id) from others.v);
      create table others.child (id integer references app."Order" (id)); create table others.guarded (id integer);
      create policy p on others.guarded using (exists (select from app."Order" as t where t.id = guarded.id));
      grant usage on schema app to _other; grant select on app."Order" to _other;
      alter view others.v owner to _other; alter function others.f() owner to _other;
      alter table others.child owner to _other; alter table others.guarded owner to _other;
      grant _owner to _me; grant create on database db to _owner;`,
    ways: [
      [/^grant _other to _me( with inherit true, set true)?$/, /^grant create.* on schema others to _other$/],
      [
        /^grant _other to _owner( with inherit true, set true)?$/,
        /^grant create.* on schema others to _other$/,
      ],
    ],
  },
  {
    name: 'a membership that cannot be used as it is',
    setup: `grant create on database db to _me; grant _owner to _me with inherit false, set true;`,
    ways: [[/^grant _owner to _me with inherit true$/], [/^grant create on database \w+ to _owner$/]],
    minMajor: 16,
  },
  {
    name: 'a member that does not inherit',
    setup: `grant create on database db to _me; grant usage, create on schema app to _me; grant _owner to _me; alter role _me noinherit;`,
    ways: [[/^alter role _me inherit$/], [/^grant create on database \w+ to _owner$/]],
    maxMajor: 15,
  },
  {
    name: 'a type that not everybody may use',
    setup: `
      create schema "T"; create type "T"."Mood" as enum ('a'); alter table app."Order" add column m "T"."Mood"[];
      revoke usage on type "T"."Mood" from public; grant usage on schema "T" to public;
      grant _owner to _me; grant create on database db to _owner;`,
    ways: [[/^grant usage on type "T"\."Mood" to _me$/], [/^grant usage on type "T"\."Mood" to _owner$/]],
  },
];

const roles = ['me', 'owner', 'other'] as const;
type Roles = Readonly<Record<(typeof roles)[number], TestRole>>;

/** Names of roles belong to the whole server: each case has its own. */
function named(text: string, { me, owner, other }: Roles, db: TestDatabase): string {
  return text
    .replaceAll('_me', me.name)
    .replaceAll('_owner', owner.name)
    .replaceAll('_other', other.name)
    .replaceAll('database db', `database ${db.name}`);
}

interface Way {
  readonly as: string;
  readonly statements: readonly string[];
}

function waysIn(hint: string): Way[] {
  const ways: { as: string; statements: string[] }[] = [];
  for (const line of hint.split('\n')) {
    if (line.startsWith('  ')) ways.at(-1)?.statements.push(line.trim().replace(/;$/, ''));
    else ways.push({ as: line.includes('connect as the owner') ? 'owner' : 'me', statements: [] });
  }
  return ways;
}

describe('each way that the plan names is enough', () => {
  for (const { name, setup, ways, minMajor = 14, maxMajor = 99 } of cases) {
    if (major < minMajor || major > maxMajor) continue;
    for (const [index, way] of ways.entries()) {
      test(`${name}: way ${index + 1}`, async () => {
        await using db = await createDatabase();
        const all: Roles = {
          me: await db.createRole(),
          owner: await db.createRole(),
          other: await db.createRole(),
        };
        await db.query(named(table + setup, all, db));
        const change = { table: 'app."Order"', alter: ['ALTER COLUMN id TYPE bigint'] };
        const before = await plan({ connection: { url: all.me.url }, request: request(change) });
        expect(before.reasons.map(({ code }) => code)).toEqual(['privilege']);
        const said = waysIn(inWords(before.reasons[0]?.hint ?? ''));
        expect(said).toHaveLength(ways.length);
        const chosen = said[index];
        expect(chosen?.statements.map((statement) => statement)).toEqual(
          way.map((pattern) => expect.stringMatching(new RegExp(named(pattern.source, all, db)))),
        );
        for (const statement of chosen?.statements ?? []) await db.query(statement);
        const { result } = await runChange(db, change, {
          url: chosen?.as === 'owner' ? all.owner.url : all.me.url,
        });
        expect(result).toMatchObject({ native: false, rows: 2 });
      });
    }
  }
});
