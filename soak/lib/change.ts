/**
 * A random change of one to four actions: as pg-ghost is told it, and as PostgreSQL makes it natively on a clone (for the
 * catalog) and on the mirror (for the rows).
 */
import type { Random } from '../../src/lab/random.js';
import { kinds, literal, quoted, type Column, type KeyKind, type Shape } from './shape.js';

export interface Change {
  /** What follows `ALTER TABLE t`, one statement each */
  readonly alter: readonly string[];
  /** Whole statements */
  readonly file: readonly string[];
  readonly set: readonly (readonly [column: string, expression: string])[];
  readonly rewrite: boolean;
  /** Statements for the clone */
  readonly native: readonly string[];
  /** Statements for the mirror, after the load has ended */
  readonly mirror: readonly string[];
  /** Columns that nobody writes after the swap: their meaning may be another */
  readonly touched: ReadonlySet<string>;
  /** Those of them that take NULL in rows that are inserted after the swap */
  readonly nulled: ReadonlySet<string>;
  readonly dropped: ReadonlySet<string>;
  readonly renamed: ReadonlyMap<string, string>;
  /** The key's sequence goes on here, whatever it was at before */
  readonly sequenceFrom: number | null;
}

interface Action {
  readonly alter?: string;
  readonly file?: string;
  readonly set?: readonly [string, string];
  /** In place of `alter`, with TABLE for the mirror's name; null: nothing to do there */
  readonly mirror?: string | null;
  readonly touches?: string;
  /** A default gives the same value before and after */
  readonly keepsDefault?: boolean;
  readonly drops?: boolean;
  /** The new name */
  readonly renames?: string;
  readonly sequenceFrom?: number;
}

/** [type, USING with $c for the column]; those without USING keep what a default means. */
const retypings: Record<string, readonly (readonly [type: string, using?: string])[]> = {
  int: [
    ['bigint'],
    ['numeric'],
    ['numeric(20,2)'],
    ['text', "$c::text || 'x'"],
    ['bigint', '$c::bigint * 1000000'],
    ['text', '$c::text'],
  ],
  bigint: [['numeric'], ['text'], ['double precision'], ['numeric(30,0)', '-$c']],
  numeric: [
    ['numeric(20,1)'],
    ['numeric(20,6)'],
    ['double precision'],
    ['text', "to_char($c, 'FM9999990.00')"],
    ['bigint', '($c * 1000)::bigint'],
  ],
  text: [
    ['varchar(500)'],
    ['text collate "C"'],
    ['text', 'upper($c)'],
    ['bytea', "convert_to($c, 'UTF8')"],
    ['text', 'md5($c)'],
  ],
  wide: [['varchar'], ['text', 'left($c, 2500)'], ['bytea', "convert_to($c, 'UTF8')"]],
  varchar: [
    ['text'],
    ['varchar(10)'],
    ['char(40)'],
    ['text collate "C"'],
    ['varchar(70)', 'reverse($c) || $c'],
  ],
  timestamptz: [
    ['timestamp'],
    ['date'],
    ['timestamptz(0)'],
    ['text'],
    ['timestamp', "$c at time zone 'Europe/Berlin'"],
    ['bigint', 'extract(epoch from $c)::bigint'],
  ],
  jsonb: [
    ['text', "$c ->> 'i'"],
    ['json'],
    ['text'],
    ['text[]', 'case when $c is not null then array[$c::text] end'],
  ],
  json: [['jsonb'], ['text'], ['jsonb', '$c::jsonb || \'{"z": 1}\'']],
  bytea: [
    ['text', "encode($c, 'hex')"],
    ['bigint', 'length($c)::bigint'],
  ],
  float: [['numeric'], ['real'], ['text'], ['numeric(30,4)', '($c * 2)::numeric']],
  intArray: [['bigint[]'], ['text[]'], ['integer', '$c[1]'], ['text', "array_to_string($c, '+')"]],
  textArray: [['text', '$c[1]'], ['varchar(40)[]'], ['integer', 'cardinality($c)']],
  mood: [
    ['text', '$c::text'],
    ['mood2', '$c::text::mood2'],
    ['varchar(9)', '$c::text'],
  ],
};

/** Types whose text for a key is the same. */
const keyRetypings: Record<
  KeyKind,
  readonly (readonly [column: string, type: string, childToo?: boolean])[]
> = {
  serial: [
    ['k', 'bigint', true],
    ['k', 'bigint', true],
    ['k', 'numeric', true],
  ],
  identity: [['k', 'bigint', true]],
  int: [
    ['k', 'bigint', true],
    ['k', 'numeric', true],
    ['k', 'text'],
    ['k', 'numeric(14,0)', true],
  ],
  bigint: [
    ['k', 'numeric', true],
    ['k', 'text'],
    ['k', 'varchar(40)'],
  ],
  uuid: [
    ['k', 'text'],
    ['k', 'varchar(36)'],
  ],
  text: [['k', 'text collate "C"', true]],
  varchar: [
    ['k', 'text', true],
    ['k', 'varchar(61)', true],
  ],
  composite: [
    ['k1', 'bigint'],
    ['k2', 'text collate "C"'],
    ['k1', 'text'],
  ],
};

export function randomChange(random: Random, shape: Shape): Change {
  const wanted = random.int(1, 4);
  const actions: Action[] = [];
  const [first, ...others] = random.shuffled(shape.columns);
  const makers = [
    () => changeKey(random, shape),
    ...(first === undefined ? [] : [() => changeColumn(random, shape, first)]),
    ...random.shuffled([
      ...others.map((column) => () => changeColumn(random, shape, column)),
      () => addColumn(random),
      () => addSomething(random, shape),
      () => changeUnique(random, shape),
    ]),
  ];
  // The key and one column are what most migrations are about.
  const skipKey = random.chance(0.45);
  const skipFirst = random.chance(0.25);
  for (const [i, maker] of makers.entries()) {
    if (actions.length >= wanted) break;
    if ((i === 0 && skipKey) || (i === 1 && skipFirst)) continue;
    const action = maker();
    if (action !== null) actions.push(action);
  }
  return compose(random, shape, actions);
}

function changeKey(random: Random, shape: Shape): Action | null {
  if (['serial', 'identity'].includes(shape.key) && random.chance(0.4)) return changeSequence(random, shape);
  const choices = keyRetypings[shape.key].filter(([, , childToo]) => childToo === true || !shape.hasChild);
  if (choices.length === 0) return null;
  const [column, type] = random.pick(choices);
  return { alter: `ALTER COLUMN ${column} TYPE ${type}` };
}

/** Above what a sequence of a round comes to, below the keys that are given. */
const restartAt = 50_000_000;

function changeSequence(random: Random, shape: Shape): Action {
  if (shape.key === 'serial') {
    return {
      alter: `ALTER COLUMN k DROP DEFAULT, ALTER COLUMN k ADD GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME t_k_seq2 START WITH ${restartAt})`,
      mirror: null,
      sequenceFrom: restartAt,
    };
  }
  return random.pick([
    { alter: `ALTER COLUMN k RESTART WITH ${restartAt}`, mirror: null, sequenceFrom: restartAt },
    { alter: 'ALTER COLUMN k SET INCREMENT BY 3', mirror: null },
    { alter: 'ALTER COLUMN k SET GENERATED BY DEFAULT', mirror: null },
    { alter: 'ALTER COLUMN k SET CACHE 7 SET MAXVALUE 2000000000', mirror: null },
  ]);
}

function changeColumn(
  random: Random,
  shape: Shape,
  { name, kind, required, hasDefault, inView }: Column,
): Action {
  const c = quoted(name);
  const what = random.int(0, 9);
  const used = shape.hasView && inView;
  if (what === 0 && !used) return { alter: `DROP COLUMN ${c}`, touches: name, drops: true };
  if (what === 1) {
    const to = random.pick([`${name}_new`, `select ${name}`, `N${name}`]);
    return { alter: `RENAME COLUMN ${c} TO ${quoted(to)}`, renames: to, touches: name };
  }
  if (what === 2 && !required && kind === 'text') {
    return { set: [name, random.pick([`lower(${c})`, `${c} || '-' || n`])], touches: name };
  }
  if (what === 2 && !required && kind === 'numeric') return { set: [name, `${c} * 2 + 1`], touches: name };
  if (what === 3 && hasDefault && !required) {
    return {
      alter: `ALTER COLUMN ${c} SET DEFAULT ${kinds[kind]?.defaultValue}`,
      mirror: null,
      touches: name,
    };
  }
  const choices = (retypings[kind] ?? []).filter(
    ([, using]) => using === undefined || (!required && !hasDefault),
  );
  if (choices.length === 0) return { alter: `ALTER COLUMN ${c} SET STATISTICS 123`, mirror: null };
  const [type, using] = random.pick(choices);
  const suffix = using === undefined ? '' : ` USING ${using.replaceAll('$c', c)}`;
  return { alter: `ALTER COLUMN ${c} TYPE ${type}${suffix}`, touches: name, keepsDefault: required };
}

function addColumn(random: Random): Action {
  return random.pick([
    { alter: 'ADD COLUMN a1 integer DEFAULT 3' },
    { alter: 'ADD COLUMN a1 text' },
    { alter: 'ADD COLUMN a1 bigint GENERATED ALWAYS AS (n * 2 + v) STORED' },
    { alter: 'ADD COLUMN a1 integer NOT NULL DEFAULT 0 CHECK (a1 >= 0)' },
    { alter: "ADD COLUMN a1 timestamptz NOT NULL DEFAULT '2026-01-01'" },
    { alter: 'ADD COLUMN a1 varchar(9) DEFAULT \'x\' COLLATE "C"' },
  ]);
}

function addSomething(random: Random, shape: Shape): Action {
  return random.pick([
    { alter: 'ADD CONSTRAINT x_unique UNIQUE (w, n)', mirror: null },
    { alter: 'ADD CONSTRAINT x_check CHECK (v >= 0 AND n > 0)', mirror: null },
    { alter: 'ADD CONSTRAINT x_check CHECK (v >= 0) NOT VALID', mirror: null },
    { file: 'CREATE INDEX x_idx ON t (n DESC, v) WHERE w > 0;', mirror: null },
    { file: 'CREATE UNIQUE INDEX x_idx ON t (n, w) INCLUDE (v);', mirror: null },
    { alter: 'SET (fillfactor = 77)', mirror: null },
    { alter: 'ALTER COLUMN n SET STATISTICS 321', mirror: null },
    ...(shape.hasCheck ? [{ alter: 'DROP CONSTRAINT v_small', mirror: null }] : []),
  ]);
}

function changeUnique(random: Random, shape: Shape): Action | null {
  const found = shape.uniques.filter(({ kind }) => kind !== 'exclusion');
  if (found.length === 0) return null;
  const { name, kind } = random.pick(found);
  if (kind === 'deferrable') {
    return random.pick([
      { alter: `ALTER COLUMN ${name} TYPE bigint`, touches: name },
      { alter: `DROP CONSTRAINT t_${name}_key`, mirror: null, touches: name },
      { alter: `ALTER COLUMN ${name} TYPE numeric`, touches: name },
    ]);
  }
  return random.pick([
    { alter: `ALTER COLUMN ${name} TYPE varchar(200)`, touches: name },
    { alter: `ALTER COLUMN ${name} TYPE text USING ${name} || '!'`, touches: name },
    { alter: `ALTER COLUMN ${name} TYPE text COLLATE "C"`, touches: name },
    { alter: `RENAME COLUMN ${name} TO "${name} 2"`, touches: name, renames: `${name} 2` },
    { alter: `DROP COLUMN ${name}`, touches: name, drops: true },
  ]);
}

function compose(random: Random, shape: Shape, actions: readonly Action[]): Change {
  const set = actions.flatMap((action) => (action.set === undefined ? [] : [action.set]));
  const alters = actions.flatMap((action) => action.alter ?? []);
  // RENAME stands alone in its statement.
  const joinable = alters.filter((alter) => !alter.startsWith('RENAME'));
  const renames = alters.filter((alter) => alter.startsWith('RENAME'));
  const alter = [...(random.chance(0.5) ? joinable : [joinable.join(', ')]), ...renames].filter(
    (text) => text !== '',
  );
  const touched = actions.flatMap(({ touches }) => touches ?? []);
  const required = new Set(shape.columns.filter((column) => column.required).map(({ name }) => name));
  return {
    alter,
    file: actions.flatMap(({ file }) => file ?? []),
    set,
    // Without it a change of the catalog alone would not be copied, and there were nothing to soak.
    rewrite: true,
    native: [
      ...alter.map((text) => `alter table public.t ${text}`),
      ...actions.flatMap(({ file }) => file?.replaceAll(' ON t ', ' ON public.t ') ?? []),
    ],
    mirror: [
      ...set.map(([column, expression]) => `update m.mirror as t set ${quoted(column)} = ${expression}`),
      ...actions
        .filter(({ mirror }) => mirror !== null)
        .flatMap(({ alter: text }) => (text === undefined ? [] : [`alter table m.mirror ${text}`]))
        .toSorted((a, b) => Number(a.includes(' RENAME ')) - Number(b.includes(' RENAME '))),
    ],
    touched: new Set(touched),
    nulled: new Set(touched.filter((name) => !required.has(name))),
    dropped: new Set(actions.flatMap(({ drops, touches }) => (drops === true ? (touches ?? []) : []))),
    sequenceFrom: actions.find(({ sequenceFrom }) => sequenceFrom !== undefined)?.sequenceFrom ?? null,
    renamed: new Map(
      actions.flatMap(({ renames: to, touches }) => (to === undefined ? [] : [[touches ?? '', to]])),
    ),
  };
}

export function viewStatements(shape: Shape, { renamed }: Pick<Change, 'renamed'>): string[] {
  const names = shape.columns.filter(({ inView }) => inView).map(({ name }) => name);
  const columns = [...shape.keyColumns, 'w', 'n', ...names].map(
    (name) => `${quoted(renamed.get(name) ?? name)} as ${quoted(name)}`,
  );
  return [
    `create view public.a_view as select ${columns.join(', ')} from public.t where v >= 0`,
    'grant select on public.a_view to soak_reader',
    `comment on view public.a_view is ${literal('seen')}`,
  ];
}

/** The arguments of `pg-ghost run` and `plan`. */
export function changeArguments(change: Change, file: string | null) {
  return [
    '--table',
    't',
    ...change.alter.flatMap((text) => ['--alter', text]),
    ...(file === null ? [] : ['--file', file]),
    ...change.set.flatMap(([column, expression]) => ['--set', `${quoted(column)}=${expression}`]),
    ...(change.rewrite ? ['--rewrite'] : []),
  ];
}
