/**
 * Sequences that a column owns without being an identity column: made by `serial`, or by `OWNED BY`. They live through a
 * change as the same object, so that no value is given twice; both tables draw from one until the swap.
 */
import type { OwnedSequence, TableShape } from '../model/table-shape.js';
import type { ColumnMapping, SerialFate } from '../model/column-mapping.js';
import { ident, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { namesAny, retargetExpression } from '../sql/retarget-names.js';
import { inStoredForm } from '../sql/stored-form.js';
import { selfNamingDefaults, serialMoves } from './own-names.js';

export interface SerialFacts {
  readonly source: TableShape;
  /** The clone, with its own copies of them, before and after the change. */
  readonly before: TableShape;
  readonly after: TableShape;
  readonly columns: readonly ColumnMapping[];
}

export function serialFates({ source, before, after, columns }: SerialFacts): SerialFate[] {
  return livingCopies(before, after).flatMap((copy): SerialFate[] => {
    const sequence = source.sequences.find(({ identity, name }) => !identity && name.name === copy.name.name);
    if (sequence === undefined) return [];
    const mapping = columns.find(({ target }) => target === copy.column);
    return [
      {
        sequence,
        column: copy.column,
        type: mapping === undefined ? null : grownType(copy, mapping, after),
        persistence:
          copy.unlogged === sequence.unlogged ? null : copy.unlogged === true ? 'unlogged' : 'logged',
      },
    ];
  });
}

/** OIDs of the source's that are the same objects after the swap. */
export function stayingSequences(source: TableShape, before: TableShape, after: TableShape): number[] {
  const copies = livingCopies(before, after);
  return source.sequences
    .filter(({ identity, name }) => !identity && copies.some((copy) => copy.name.name === name.name))
    .map(({ oid }) => oid);
}

/** By identity: one that the change has made under the name of one that it has dropped is another. */
function livingCopies(before: TableShape, after: TableShape): OwnedSequence[] {
  const copies = new Set(before.sequences.filter(({ identity }) => !identity).map(({ oid }) => oid));
  return after.sequences.filter(({ oid }) => copies.has(oid));
}

const widths: Readonly<Record<string, number>> = { smallint: 2, integer: 4, bigint: 8 };

/**
 * ALTER TYPE leaves a sequence what it is, and a column that grew would be stopped by it all the same: so one that the
 * column's default draws from grows along. Nothing else may change that was not asked for.
 */
function grownType(
  copy: OwnedSequence,
  { target, targetType, sourceType }: ColumnMapping,
  changed: TableShape,
): string | null {
  const width = (type: string | null): number => widths[type ?? ''] ?? 0;
  const draws = changed.columns.some(
    ({ name, default: value }) =>
      name === target && value !== null && namesAny(value, serialMoves({ sequences: [copy] }, 'ghost')),
  );
  const grew = width(targetType) > width(sourceType) && width(sourceType) > 0;
  return draws && grew && width(targetType) > width(copy.type) ? targetType : null;
}

/** In the swap, while they are nobody's. */
export function moveSerial(
  { sequence, column, type, persistence }: SerialFate,
  table: QualifiedName,
): string[] {
  const name = qualified(sequence.name);
  const grow = type === null ? '' : ` as ${type}`;
  return [
    `alter sequence ${name}${grow} owned by ${qualified(table)}.${ident(column)}`,
    ...(persistence === null ? [] : [`alter sequence ${name} set ${persistence}`]),
  ];
}

/** On the clone: a copy of each, so that PostgreSQL does with it whatever the change does with the original. */
export function copySerials(shape: TableShape, schema: string): { before: string[]; after: string[] } {
  const copies = shape.sequences
    .filter(({ identity }) => !identity)
    .map((sequence) => ({ ...sequence, name: { schema, name: sequence.name.name } }));
  const table = qualified({ schema, name: shape.name.name });
  return {
    before: copies.flatMap((copy) => [
      `create ${copy.unlogged === true ? 'unlogged ' : ''}sequence ${qualified(copy.name)} as ${copy.type} ${sequenceOptions(copy)}`,
      `alter sequence ${qualified(copy.name)} owner to ${ident(shape.owner)}`,
    ]),
    after: copies.flatMap((copy) => [
      `alter sequence ${qualified(copy.name)} owned by ${table}.${ident(copy.column)}`,
    ]),
  };
}

/** After the change: the shadow's defaults draw from the originals, as they will after the swap. */
export function shareSerials(source: TableShape, before: TableShape, after: TableShape): string[] {
  const { schema } = after.name;
  const copies = livingCopies(before, after);
  const back = copies.map(({ name }) => ({
    from: name,
    to: { schema: source.name.schema, name: name.name },
    hasNoType: true,
  }));
  return [
    ...selfNamingDefaults(after, back).map((column) =>
      inStoredForm(
        `alter table ${qualified(after.name)} alter column ${ident(column.name)} set default ${retargetExpression(column.default, back)}`,
      ),
    ),
    ...copies.map(({ name }) => `drop sequence ${qualified({ schema, name: name.name })}`),
  ];
}

/** Without its type, which an identity column gives it. */
export function sequenceOptions(sequence: OwnedSequence): string {
  return [
    `start with ${sequence.start}`,
    `increment by ${sequence.increment}`,
    `minvalue ${sequence.min}`,
    `maxvalue ${sequence.max}`,
    `cache ${sequence.cache}`,
    sequence.cycle ? 'cycle' : 'no cycle',
  ].join(' ');
}
