/**
 * From a row of the new table to a row of the old one: how each column gets its value, by which key rows are found, and what is
 * lost or does not fit. Pure, from what the trial has shown.
 */
import type { Refusal } from '../../errors.js';
import type { ColumnMapping } from '../../model/column-mapping.js';
import type { IdRoom } from '../../model/id-room.js';
import type { Key, KeyColumn } from '../../model/key.js';
import type { ProjectedColumn } from '../../model/projection.js';
import type { Column, OwnedSequence, TableShape } from '../../model/table-shape.js';
import type {
  BackObstacle,
  BackVerdict,
  Inverse,
  KeptColumn,
  Loss,
  Narrower,
  NeededReverse,
  WayBack,
} from '../../model/way-back.js';
import { typeOnAnyPath } from '../../sql/any-path.js';
import { ident } from '../../sql/quote.js';
import type { SetExpression, UserExpression } from '../change/types.js';
import type { ColumnSource } from '../mapping/column-source.js';
import { isCastOf, keepsApart, keepsTextsApart } from '../mapping/injective.js';
import { findsBy } from '../mapping/key.js';
import { isNotNull } from '../mapping/not-null-proof.js';
import { inParentheses } from '../mapping/project.js';
import { baseOf, hasRoomFor, rangeOf } from '../mapping/type-facts.js';
import { resolveReferences } from '../mapping/user-references.js';
import { castBack, keyBack } from './cast-back.js';
import { narrowerTypes } from './narrower.js';

export interface BackInput {
  /** The table's name, by which expressions may qualify columns. */
  readonly table: string;
  /** As it is, or its unchanged clone. */
  readonly before: TableShape;
  readonly after: TableShape;
  /** Where the columns of `after` come from. */
  readonly sources: readonly ColumnSource[];
  /** null where no key was found. */
  readonly key: Key | null;
  readonly reverse: readonly SetExpression[];
  /** Those that the new table's columns draw their ids from. */
  readonly sequences: readonly OwnedSequence[];
  /** Columns (attnum) whose type changes and has a cast back. */
  readonly castsBack: ReadonlySet<number>;
  readonly isRepeatable: (expression: UserExpression) => boolean;
  /** What else the old shape has and the new one does not. */
  readonly narrower: readonly Narrower[];
}

export interface PlannedBack {
  readonly back: WayBack;
  /** Of what was given with `--reverse`. */
  readonly refusals: readonly Refusal[];
}

export function wayBack(input: BackInput): PlannedBack {
  const reverse = input.reverse.map((given) => resolved(input, given));
  const columns = input.before.columns.map((old) => backColumn(input, reverse, old));
  const { inverse, against } = inverseOf(input, columns);
  const needs = columns.flatMap(({ need }) => (need === null ? [] : [need]));
  const loses = [...columns.flatMap(({ loss }) => (loss === null ? [] : [loss])), ...added(input, reverse)];
  return {
    back: {
      verdict: verdictOf({ against, needs, loses }),
      way: needs.length > 0 ? null : inverse,
      loses,
      needs,
      against,
      sampled: columns.flatMap((column) => (isSampled(column) ? [column.old.name] : [])),
      isTried: false,
      ids: idRooms(input, columns),
      narrower: [...narrowerTypes(input.before, input.after), ...input.narrower],
    },
    refusals: [...reverse.flatMap(({ refusals }) => refusals), ...misplaced(input)],
  };
}

export function verdictOf({
  against,
  needs,
  loses,
}: Pick<WayBack, 'against' | 'needs' | 'loses'>): BackVerdict {
  if (against.length > 0) return 'impossible';
  if (needs.length > 0) return 'needs-reverse';
  return loses.length > 0 ? 'loses' : 'keeps';
}

/** `--reverse`, with the columns of the new table that it uses. */
interface Reverse {
  readonly column: string;
  readonly expression: UserExpression;
  readonly dependsOn: readonly string[];
  readonly volatile: boolean;
  readonly refusals: readonly Refusal[];
}

function resolved({ table, after, isRepeatable }: BackInput, { column, expression }: SetExpression): Reverse {
  const names = after.columns.map(({ name }) => name);
  const { columns, refusals } = resolveReferences(expression, `--reverse ${column}`, table, names);
  return { column, expression, dependsOn: columns, volatile: !isRepeatable(expression), refusals };
}

/** How one column of the old table gets its value. */
interface BackColumn {
  readonly old: Column;
  /** The same column of the new table. */
  readonly now: Column | null;
  readonly how: ColumnMapping['how'];
  /** SQL over the new row; null: the table gives the value. */
  readonly value: string | null;
  readonly reverse: Reverse | null;
  readonly kept: KeptColumn | null;
  readonly loss: Loss | null;
  readonly need: NeededReverse | null;
}

function backColumn(input: BackInput, reverses: readonly Reverse[], old: Column): BackColumn {
  const now = partnerOf(input, old);
  const plain = { old, now, value: null, reverse: null, kept: null, loss: null, need: null } as const;
  if (old.generated !== 'none') {
    const isOwn = now !== null && now.generated === 'none';
    return { ...plain, how: 'generated', loss: isOwn ? { what: 'recomputed', column: old.name } : null };
  }
  const reverse = reverses.find(({ column }) => column === old.name) ?? null;
  if (reverse !== null) return reversed(plain, reverse);
  if (now === null) return { ...plain, how: 'default', ...kept(old) };
  const source = input.sources.find(({ target }) => target.attnum === now.attnum);
  if (source?.how === 'computed' && !isOwnCast(source))
    return { ...plain, how: 'default', ...needed(old, 'computed') };
  if (now.type === old.type) return { ...plain, how: 'copied', value: ident(now.name) };
  return keepsApart(now, old) || input.castsBack.has(old.attnum)
    ? { ...plain, how: 'converted', value: castBack(now, old) }
    : { ...plain, how: 'default', ...needed(old, 'no-cast') };
}

/** One that names no column of the new row says nothing of the rows that there are. */
function reversed(plain: Pick<BackColumn, 'old' | 'now' | 'need'>, reverse: Reverse): BackColumn {
  const { old, now } = plain;
  const value = inParentheses(reverse.expression.text);
  if (now === null && reverse.dependsOn.length === 0) {
    return {
      ...plain,
      how: 'default',
      value: null,
      reverse,
      kept: { name: old.name, otherwise: value },
      loss: { what: 'dropped', column: old.name },
    };
  }
  return { ...plain, how: 'computed', value, reverse, kept: null, loss: null };
}

/** Known to be the same there and back by nothing but a look at rows. */
function isSampled({ old, now, value, reverse }: BackColumn): boolean {
  if (value === null) return false;
  return reverse !== null ? !reverse.volatile : now !== null && mayLose(old, now);
}

/** The change may make another value of it than it was. */
function mayLose(old: Column, now: Column): boolean {
  return now.type !== old.type && !keepsApart(old, now) && !hasRoomFor(old, now);
}

function canonical({ old, now, value, reverse }: BackColumn): ProjectedColumn[] {
  if (value === null || reverse !== null || now === null || !mayLose(old, now)) return [];
  const [own, other] = [typeOnAnyPath(old.type), typeOnAnyPath(now.type)];
  return [{ name: old.name, expression: `${ident(old.name)}::${other}::${own}` }];
}

/** Integer columns that grow, and own a sequence. */
function idRooms({ sequences }: BackInput, columns: readonly BackColumn[]): IdRoom[] {
  return columns.flatMap(({ old, now }): IdRoom[] => {
    const range = rangeOf(old.type);
    if (now === null || range === null || hasRoomFor(now, old)) return [];
    return sequences
      .filter(({ column }) => column === now.name)
      .map(({ increment }) => ({
        column: old.name,
        newColumn: now.name,
        limit: increment.startsWith('-') ? range[0] : range[1],
        increment,
      }));
  });
}

function kept(old: Column): Pick<BackColumn, 'kept' | 'loss' | 'need'> {
  const hasDefault = !old.notNull || old.default !== null || old.identity !== 'none';
  return {
    kept: { name: old.name, otherwise: null },
    loss: { what: 'dropped', column: old.name },
    need: hasDefault ? null : { column: old.name, why: 'no-default' },
  };
}

function needed({ name }: Column, why: NeededReverse['why']): Pick<BackColumn, 'need'> {
  return { need: { column: name, why } };
}

function partnerOf({ after }: BackInput, old: Column): Column | null {
  return after.columns.find(({ attnum }) => attnum === old.attnum) ?? null;
}

/** `USING id::bigint` is what ALTER TYPE does by itself. */
function isOwnCast({ source, target, value }: ColumnSource): boolean {
  if (source === null || (value?.kind !== 'using' && value?.kind !== 'set')) return false;
  return isCastOf(value.expression.text, source, target);
}

/** Columns that only the new table has, and no `--reverse` takes up. What it generates is no loss. */
function added({ before, after }: BackInput, reverse: readonly Reverse[]): Loss[] {
  const used = new Set(reverse.flatMap(({ dependsOn }) => dependsOn));
  return after.columns
    .filter(
      ({ attnum, name, generated }) =>
        generated === 'none' && !used.has(name) && !before.columns.some((old) => old.attnum === attnum),
    )
    .map(({ name }) => ({ what: 'added', column: name }));
}

interface FoundInverse {
  readonly inverse: Inverse | null;
  readonly against: readonly BackObstacle[];
}

function inverseOf(input: BackInput, columns: readonly BackColumn[]): FoundInverse {
  const { table, after, key } = input;
  if (key === null) return { inverse: null, against: [{ what: 'no-key' }] };
  const targets = key.columns.flatMap(({ targetName }) =>
    after.columns.filter(({ name }) => name === targetName),
  );
  const index = after.indexes.find((each) => findsBy(after, each, targets));
  const against: BackObstacle[] = [
    ...(index === undefined ? [{ what: 'no-index' as const, columns: targets.map(({ name }) => name) }] : []),
    ...targets
      .filter((target) => !isNotNull(after, target))
      .map(({ name }) => ({ what: 'key-nullable' as const, column: name })),
    ...unusableReverses(key, columns),
  ];
  if (index === undefined || against.length > 0) return { inverse: null, against };
  const keptColumns = columns.flatMap((column) => (column.kept === null ? [] : [column.kept]));
  const canonicals = columns.flatMap(canonical);
  const collides = key.columns.some((column) => mayCollide(column, columns));
  return {
    inverse: {
      projection: {
        alias: table,
        layers: [
          columns.flatMap(({ old, value }): ProjectedColumn[] =>
            value === null ? [] : [{ name: old.name, expression: value }],
          ),
        ],
      },
      columns: columns.map(toColumnMapping),
      keyProjection: { alias: table, layers: [key.columns.map((column) => keyColumn(column, columns))] },
      keyIndex: index.name,
      ...(collides ? { mayCollide: true } : {}),
      ...(keptColumns.length > 0 ? { kept: keptColumns } : {}),
      ...(canonicals.length > 0 ? { canonical: canonicals } : {}),
    },
    against,
  };
}

/** The log has the key of the new table, and nothing else. */
function unusableReverses(key: Key, columns: readonly BackColumn[]): BackObstacle[] {
  const names = new Set(key.columns.map(({ targetName }) => targetName));
  return key.columns.flatMap(({ name }) => {
    const reverse = columns.find(({ old }) => old.name === name)?.reverse ?? null;
    const isUsable =
      reverse === null || (!reverse.volatile && reverse.dependsOn.every((column) => names.has(column)));
    return isUsable ? [] : [{ what: 'key-reverse' as const, column: name }];
  });
}

function keyColumn({ name, targetName }: KeyColumn, columns: readonly BackColumn[]): ProjectedColumn {
  const column = columns.find(({ old }) => old.name === name);
  const now = column?.now ?? null;
  if (column === undefined || now === null) throw new Error(`the key column ${name} is not in the new table`);
  // A generated column of the key is looked for as it is.
  if (column.how === 'generated') return { name, expression: ident(targetName) };
  const { reverse, old } = column;
  return {
    name,
    expression: reverse === null ? keyBack(now, old) : inParentheses(reverse.expression.text),
  };
}

/** A cast back that is checked keeps keys apart, but for what the old column takes for equal. */
function mayCollide({ name }: KeyColumn, columns: readonly BackColumn[]): boolean {
  const column = columns.find(({ old }) => old.name === name);
  if (column === undefined || column.now === null) return true;
  const { old, now, reverse, how } = column;
  if (how === 'generated' || reverse !== null) return true;
  return !keepsTextsApart(now, old) || (baseOf(old.type) === 'citext' && baseOf(now.type) !== 'citext');
}

function toColumnMapping({ old, now, how, value, reverse }: BackColumn): ColumnMapping {
  const otherwise = reverse === null ? null : reverse.expression.text;
  return {
    target: old.name,
    targetType: old.type,
    source: now?.name ?? null,
    sourceType: now?.type ?? null,
    how,
    expression: how === 'converted' && value !== null && value !== ident(now?.name ?? '') ? value : otherwise,
    ...(reverse?.volatile === true && value !== null ? { volatile: true } : {}),
  };
}

/** `--reverse` of a column that it can say nothing about. */
function misplaced({ before, after, reverse, sources }: BackInput): Refusal[] {
  return reverse.flatMap(({ column }): Refusal[] => {
    const old = before.columns.find(({ name }) => name === column);
    if (old === undefined) {
      return [
        {
          code: 'undefined-column',
          message: `--reverse ${column}: the table has no such column`,
          hint: 'it gives a column of the table as it is now its value back, from the columns of the new one',
        },
      ];
    }
    if (old.generated !== 'none') {
      return [
        {
          code: 'set-generated',
          message: `--reverse ${column}: the column is generated, its expression gives the value`,
        },
      ];
    }
    const now = after.columns.find(({ attnum }) => attnum === old.attnum);
    const how = sources.find(({ target }) => target.attnum === now?.attnum)?.how;
    return how === 'copied'
      ? [
          {
            code: 'needless-reverse',
            message: `--reverse ${column}: the change leaves the values of this column as they are`,
            hint: `leave out --reverse ${column}`,
          },
        ]
      : [];
  });
}
