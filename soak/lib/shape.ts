/**
 * A random table, as data: what it is made of, the statements that make and fill it, and values for its columns.
 *
 * Every row belongs to a writer (`w`) and has a number there (`n`), and carries how often it was updated (`v`). Those three
 * columns are never changed, so that writers find their rows whatever becomes of the key. Rows of writer 0 are everybody's.
 * All values that are unique are made from the writer's number and a counter: writers never get in each other's way, and
 * an error that one of them sees is not its own fault.
 */
import { createHash } from 'node:crypto';
import type { Random } from '../../src/lab/random.js';

export interface Kind {
  readonly type: string;
  /** An expression over `w` and `i` */
  readonly fill: string;
  /** As text */
  readonly value: (random: Random) => string;
  /** An expression */
  readonly defaultValue?: string;
}

export interface Column {
  readonly name: string;
  /** Key of `kinds` */
  readonly kind: string;
  readonly required: boolean;
  readonly hasDefault: boolean;
  readonly inView: boolean;
}

/** A column whose values are unique */
export interface Unique {
  readonly name: string;
  readonly kind: 'plain' | 'deferrable' | 'partial' | 'expression' | 'exclusion';
}

export type KeyKind = 'serial' | 'identity' | 'int' | 'bigint' | 'uuid' | 'text' | 'varchar' | 'composite';

export interface Shape {
  readonly key: KeyKind;
  /** Of an identity */
  readonly always: boolean;
  readonly keyColumns: readonly string[];
  readonly columns: readonly Column[];
  readonly uniques: readonly Unique[];
  /** A column `g` made of the first text column */
  readonly generated: boolean;
  readonly referencesParent: boolean;
  readonly hasChild: boolean;
  readonly hasView: boolean;
  readonly hasCheck: boolean;
  /** A column `me` whose default has the table as a constant */
  readonly namesItself: boolean;
  readonly writers: number;
  readonly rowsPerWriter: number;
  readonly truncates: boolean;
  readonly setup: readonly string[];
}

export const kinds: Record<string, Kind> = {
  int: {
    type: 'integer',
    fill: '(i * 7919) % 100000 - 5000',
    value: (random) => String(random.int(-1_000_000, 1_000_000)),
    defaultValue: '5',
  },
  bigint: {
    type: 'bigint',
    fill: 'i * 104729 - 17',
    value: (random) => String(random.int(-1_000_000, 1_000_000)),
    defaultValue: '7',
  },
  numeric: {
    type: 'numeric(12,3)',
    fill: 'i / 7.0',
    value: (random) => (random.next() * 100_000 - 50_000).toFixed(3),
    defaultValue: '1.555',
  },
  text: {
    type: 'text',
    fill: "'row ' || i || ' ä€'",
    value: (random) =>
      random.pick(['', 'x', 'Ünïcode ☃', `it''s`, `a\\b`, 'tab\t', `t${random.int(0, 1e6)}`]),
    defaultValue: "'none'",
  },
  wide: {
    type: 'text',
    fill: "(select string_agg(md5(w || '-' || i || '-' || s), '') from generate_series(1, 1 + (i % 9) * 12) as s)",
    value: (random) =>
      random
        .int(0, 2 ** 31)
        .toString(36)
        .repeat(random.pick([1, 40, 400, 1200])),
  },
  varchar: {
    type: 'varchar(30)',
    fill: "left('abcdefghij', i % 10)",
    value: (random) => `v${random.int(0, 99_999)}`,
    defaultValue: "'f'",
  },
  timestamptz: {
    type: 'timestamptz',
    fill: "timestamptz '2026-03-29 00:30:00+00' + i * interval '37 minutes'",
    value: (random) => new Date(1_770_000_000_000 + random.int(0, 30_000_000) * 1000).toISOString(),
    defaultValue: "'2026-03-29 01:30:00+01'",
  },
  jsonb: {
    type: 'jsonb',
    fill: "jsonb_build_object('i', i, 'tags', jsonb_build_array('a', i % 3))",
    value: (random) => JSON.stringify({ n: random.int(0, 99), s: random.pick(['a', 'é', '']), l: [1, null] }),
    defaultValue: "'{}'",
  },
  json: {
    type: 'json',
    fill: `format('{"i": %s,  "b": [1, 2]}', i)::json`,
    value: (random) => `{"n":  ${random.int(0, 99)}, "n": 2}`,
  },
  bytea: {
    type: 'bytea',
    fill: "decode(md5(i::text), 'hex')",
    value: (random) =>
      `\\x${random
        .int(0, 2 ** 31)
        .toString(16)
        .padStart(8, '0')}`,
  },
  float: {
    type: 'double precision',
    fill: 'i / 3.0::float8',
    value: (random) => String(random.next() * 10 ** random.int(-8, 8)),
    defaultValue: '0.1',
  },
  intArray: {
    type: 'integer[]',
    fill: 'array[i, null, i % 5]',
    value: (random) => random.pick(['{}', '{NULL}', `{${random.int(0, 99)},2,3}`]),
    defaultValue: "'{}'",
  },
  textArray: {
    type: 'text[]',
    fill: `array['a b', '"', i::text]`,
    value: (random) => random.pick(['{}', '{"x y",NULL}', `{k${random.int(0, 99)}}`]),
  },
  mood: {
    type: 'mood',
    fill: "(array['sad', 'ok', 'happy'])[1 + i % 3]::mood",
    value: (random) => random.pick(['sad', 'ok', 'happy']),
    defaultValue: "'ok'",
  },
};

/** Keys that are given start here, above all that a sequence gives. */
const keyBase = 100_000_000;

const keyDefinitions: Record<KeyKind, (shape: { always: boolean }) => string> = {
  serial: () => 'k serial primary key',
  identity: ({ always }) => `k integer generated ${always ? 'always' : 'by default'} as identity primary key`,
  int: () => 'k integer primary key',
  bigint: () => 'k bigint primary key',
  uuid: () => 'k uuid primary key',
  text: () => 'k text primary key',
  varchar: () => 'k varchar(60) primary key',
  composite: () => 'k1 integer not null, k2 text not null, primary key (k1, k2)',
};

const uniqueDefinitions: Record<Unique['kind'], (name: string) => { column: string; index?: string }> = {
  plain: (name) => ({ column: `${name} text unique` }),
  deferrable: (name) => ({ column: `${name} integer unique deferrable` }),
  partial: (name) => ({
    column: `${name} text`,
    index: `create unique index t_${name}_idx on t (${name}) where v % 2 = 0`,
  }),
  expression: (name) => ({
    column: `${name} text`,
    index: `create unique index t_${name}_idx on t (lower(${name})) include (w)`,
  }),
  exclusion: (name) => ({
    column: `${name} int4range, constraint t_${name}_excl exclude using gist (${name} with &&)`,
  }),
};

export function randomShape(random: Random): Shape {
  const key = random.pick([
    'serial',
    'serial',
    'identity',
    'int',
    'bigint',
    'uuid',
    'text',
    'varchar',
    'composite',
  ] as const);
  const always = random.chance(0.5);
  const keyColumns = key === 'composite' ? ['k1', 'k2'] : ['k'];
  const names = Object.keys(kinds).filter((kind) => kind !== 'wide');
  const columns = Array.from({ length: random.int(3, 8) }, (_, i) => {
    const kind = random.pick(names);
    const hasDefault = kinds[kind]?.defaultValue !== undefined && random.chance(0.3);
    return {
      name: random.chance(0.1) ? `Col ${i}` : `c${i}`,
      kind,
      required: hasDefault && random.chance(0.4),
      hasDefault,
      inView: random.chance(0.4),
    };
  });
  const wide = random.chance(0.25);
  if (wide) columns.push({ name: 'wide', kind: 'wide', required: false, hasDefault: false, inView: false });
  const uniques: Unique[] = [];
  for (const [name, kind, probability] of [
    ['code', 'plain', 0.6],
    ['slot', 'deferrable', 0.5],
    ['tag', 'partial', 0.4],
    ['label', 'expression', 0.4],
    ['span', 'exclusion', 0.2],
  ] as const) {
    if (random.chance(probability)) uniques.push({ name, kind });
  }
  const writers = random.int(1, 4);
  const rows = wide ? random.int(1_000, 5_000) : Math.round(2_000 * 20 ** random.next());
  const hasChild = key !== 'composite' && random.chance(0.35);
  const parts = {
    key,
    always,
    keyColumns,
    columns,
    uniques,
    generated: random.chance(0.2),
    referencesParent: random.chance(0.35),
    hasChild,
    hasView: random.chance(0.4),
    hasCheck: random.chance(0.5),
    namesItself: random.chance(0.2),
    writers,
    // One more, which writes in two phases.
    rowsPerWriter: Math.round(rows / (writers + 1)),
    // A table that is referenced can only be truncated together with who references it.
    truncates: !hasChild && random.chance(0.25),
  };
  return { ...parts, setup: setupStatements(parts, random) };
}

function setupStatements(shape: Omit<Shape, 'setup'>, random: Random): string[] {
  const { key, columns, uniques } = shape;
  const defined = uniques.map(({ name, kind }) => uniqueDefinitions[kind](name));
  const indexable = columns.filter(({ kind }) => !['json', 'wide'].includes(kind));
  const definitions = [
    ...(random.chance(0.5) ? [keyDefinitions[key](shape)] : []),
    'w integer not null',
    'n integer not null',
    'v integer not null default 0',
    ...columns.map(({ name, kind, required, hasDefault }) =>
      [
        quoted(name),
        kinds[kind]?.type,
        hasDefault ? `default ${kinds[kind]?.defaultValue}` : '',
        required ? 'not null' : '',
      ].join(' '),
    ),
    ...defined.map(({ column }) => column),
    ...(shape.generated ? ["g text generated always as ('g' || n || '-' || v) stored"] : []),
    ...(shape.referencesParent ? ['owner integer references parent on delete set null'] : []),
    ...(shape.hasCheck ? ['constraint v_small check (v < 1000000)'] : []),
  ];
  if (!definitions.includes(keyDefinitions[key](shape))) definitions.push(keyDefinitions[key](shape));
  const fillfactor = random.chance(0.3) ? `with (fillfactor = ${random.int(40, 95)})` : '';
  return [
    "create type mood as enum ('sad', 'ok', 'happy')",
    "create type mood2 as enum ('happy', 'ok', 'sad', 'new')",
    'create table parent (id integer primary key, name text)',
    "insert into parent select i, 'p' || i from generate_series(1, 50) as i",
    `create table t (${definitions.join(', ')}) ${fillfactor}`,
    'create index t_w_n on t (w, n)',
    ...defined.flatMap(({ index }) => index ?? []),
    ...indexable
      .filter(({ kind }) => !['jsonb', 'intArray', 'textArray'].includes(kind) && random.chance(0.3))
      .map(({ name }) => `create index on t (${quoted(name)} ${random.pick(['', 'desc', 'nulls first'])})`),
    ...indexable
      .filter(({ kind }) => kind === 'intArray' && random.chance(0.5))
      .map(({ name }) => `create index on t using gin (${quoted(name)})`),
    ...(random.chance(0.3) ? ['alter table t cluster on t_w_n'] : []),
    ...(random.chance(0.2) ? ['create statistics t_stats on w, n from t'] : []),
    ...(random.chance(0.3) ? ["comment on table t is 'soaked'", "comment on column t.v is 'version'"] : []),
    ...(random.chance(0.3)
      ? ['grant select on t to soak_reader', 'grant update (v) on t to soak_reader']
      : []),
    ...(random.chance(0.15) ? ['alter table t replica identity full'] : []),
    ...(shape.hasChild
      ? [
          `create table child (id bigint generated always as identity primary key,
            ref ${childType(key)} references t on update cascade on delete cascade)`,
          'create index on child (ref)',
        ]
      : []),
    // Serial's default comes along and draws from the same sequence; an identity gets one of its own.
    'create schema m',
    'create table m.mirror (like public.t including all)',
    'create function m.nothing() returns trigger language plpgsql as $$ begin return null; end $$',
    ...(shape.namesItself
      ? [
          'alter table t add column me text',
          // Nobody gives it: what rows have in it says whether the constant was a table.
          "alter table t alter me set default case when 'public.t'::regclass > 0::oid then 'self' end",
          "alter table m.mirror add column me text default 'self'",
        ]
      : []),
    `create function m.guard(expected oid) returns void language plpgsql as $$
     begin
       if to_regclass('public.t')::oid <> expected then
         raise exception 'the table is another one' using errcode = 'SOAK1';
       end if;
     end $$`,
    ...fillStatements(shape),
    ...(shape.hasChild ? ['insert into child (ref) select k from t where n % 20 = 0'] : []),
    'analyze',
  ];
}

function childType(key: KeyKind) {
  if (key === 'uuid' || key === 'text' || key === 'bigint') return key;
  return key === 'varchar' ? 'varchar(60)' : 'integer';
}

function fillStatements(shape: Shape | Omit<Shape, 'setup'>) {
  const { writers, rowsPerWriter, key } = shape;
  const sequence = key === 'serial' || key === 'identity';
  const rows = `generate_series(1, ${writers + 1}) as w, generate_series(1, ${rowsPerWriter}) as i`;
  const everybodys = `(values (0)) as q (w), generate_series(1, 50) as i`;
  return [rows, everybodys]
    .flatMap((from) => {
      const columns = insertedColumns(shape).filter((name) => !(sequence && name === 'k'));
      const values = columns.map((name) => fillExpression(shape, name));
      return [`insert into t (${columns.map(quoted).join(', ')}) select ${values.join(', ')} from ${from}`];
    })
    .concat([
      // The key that a sequence gave.
      copyStatement(shape),
    ]);
}

function copyStatement(shape: Shape | Omit<Shape, 'setup'>) {
  const columns = insertedColumns(shape).map(quoted).join(', ');
  return `insert into m.mirror (${columns}) overriding system value select ${columns} from t`;
}

/** All but those that PostgreSQL computes. */
export function insertedColumns(shape: Omit<Shape, 'setup'>): string[] {
  return [
    ...shape.keyColumns,
    'w',
    'n',
    'v',
    ...shape.columns.map(({ name }) => name),
    ...shape.uniques.map(({ name }) => name),
    ...(shape.referencesParent ? ['owner'] : []),
  ];
}

/** For rows made by SQL, over `w` and `i`. */
export function fillExpression(shape: Omit<Shape, 'setup'>, name: string): string {
  if (name === 'w') return 'w';
  if (name === 'n') return 'i';
  if (name === 'v') return '0';
  if (name === 'owner') return '1 + i % 50';
  const given = `${keyBase} * (w + 1) + i`;
  if (name === 'k1') return 'w';
  if (name === 'k2') return "'k' || i";
  if (name === 'k') {
    if (shape.key === 'uuid') return "md5(w || '/' || i)::uuid";
    if (shape.key === 'text' || shape.key === 'varchar') return "'K' || w || 'ä' || i";
    return given;
  }
  const unique = shape.uniques.find((each) => each.name === name);
  if (unique?.kind === 'deferrable') return given;
  if (unique?.kind === 'exclusion') return `int4range(${given}, ${given} + 1)`;
  if (unique !== undefined) return `'U' || w || '-' || i`;
  const column = shape.columns.find((each) => each.name === name);
  return kinds[column?.kind ?? '']?.fill as string;
}

/** A key, or a unique value, that nobody else makes; as texts that PostgreSQL may take for whatever the column is. */
export function keyValues(shape: Shape, writer: number, number: number): string[] {
  switch (shape.key) {
    case 'composite':
      return [String(writer), `k${number}`];
    case 'uuid': {
      const hash = createHash('md5').update(`${writer}/${number}`).digest('hex');
      return [hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')];
    }
    case 'text':
    case 'varchar':
      return [`K${writer}ä${number}`];
    default:
      return [String(keyBase * (writer + 1) + number)];
  }
}

export function uniqueValue({ kind }: Unique, writer: number, number: number) {
  const whole = keyBase * (writer + 1) + number;
  if (kind === 'deferrable') return String(whole);
  if (kind === 'exclusion') return `[${whole},${whole + 1})`;
  return `U${writer}-${number}`;
}

export function quoted(name: string) {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export function literal(value: string | null) {
  if (value === null) return 'null';
  const escaped = value.replaceAll("'", "''");
  return escaped.includes('\\') ? `E'${escaped.replaceAll('\\', '\\\\')}'` : `'${escaped}'`;
}

export function describeShape(shape: Shape) {
  const extras = [
    shape.generated ? 'generated' : '',
    shape.referencesParent ? 'fk out' : '',
    shape.hasChild ? 'fk in' : '',
    shape.hasView ? 'view' : '',
    shape.truncates ? 'truncates' : '',
    shape.namesItself ? 'names itself' : '',
  ].filter(Boolean);
  return [
    `key ${shape.key}`,
    shape.columns.map(({ kind }) => kind).join(' '),
    shape.uniques.map(({ kind }) => `unique ${kind}`).join(', '),
    extras.join(', '),
    `${shape.writers} writers`,
  ]
    .filter(Boolean)
    .join('; ');
}
