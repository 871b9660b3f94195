/**
 * Columns of `to` that `from` does not have keep their values in rows that are there already. Apply takes a row away and writes it
 * anew, at times in another transaction (a row that stood in the way of another's unique value): in between what it had is held in a
 * table of ours, by its key. Pure.
 */
import type { TableShape } from '../model/table-shape.js';
import type { KeptColumn } from '../model/way-back.js';
import type { Key } from '../model/key.js';
import type { QualifiedName } from '../model/name.js';
import type { ProjectedColumn, Projection } from '../model/projection.js';
import { onAnyPath } from '../sql/any-path.js';
import { fragment, type SqlFragment } from '../sql/fragment.js';
import { ident, identList, literal, qualified, sql } from '../sql/quote.js';

export interface Holding {
  readonly table: QualifiedName;
  readonly kept: readonly KeptColumn[];
}

const held = 'ghost_held';
const keptName = (position: number): string => `ghost_kept_${position + 1}`;

export function createHoldingStatements({ table, kept }: Holding, key: Key, to: TableShape): string[] {
  const keys = key.columns.map(({ targetName }) => targetName);
  const column = (name: string): string => {
    const found = to.columns.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no column ${name}`);
    const collation = found.collation === null ? '' : ` collate ${found.collation}`;
    return `${ident(name)} ${found.type}${collation}`;
  };
  return [
    `create table ${qualified(table)} (${[...keys, ...kept.map(({ name }) => name)].map(column).join(', ')})`,
    `create unique index ${ident(`${table.name}_key`)} on ${qualified(table)} (${identList(keys)})`,
    `revoke all on ${qualified(table)} from public`,
  ];
}

/** The projection with the kept columns, over rows that were read with `heldColumns`. */
export function keepingProjection(
  { alias, layers }: Projection,
  kept: readonly KeptColumn[],
  to: TableShape,
): Projection {
  const passed: ProjectedColumn[] = [held, ...kept.map((_, position) => keptName(position))].map((name) => ({
    name,
    expression: ident(name),
  }));
  const last = layers.at(-1) ?? [];
  const made = kept.map(({ name, otherwise }, position) => {
    const computed = last.find((column) => column.name === name)?.expression ?? null;
    const value = computed === null ? (otherwise ?? defaultOf(name, to)) : `(${computed})`;
    return {
      name,
      expression: `case when ${ident(held)} then ${ident(keptName(position))} else ${value} end`,
    };
  });
  const isMade = ({ name }: ProjectedColumn): boolean => made.some((column) => column.name === name);
  return {
    alias,
    layers: layers.map((layer, index) =>
      index === layers.length - 1
        ? [...layer.filter((column) => !isMade(column)), ...made]
        : [...layer, ...passed],
    ),
  };
}

function defaultOf(name: string, to: TableShape): string {
  const column = to.columns.find((each) => each.name === name);
  if (column?.identity !== undefined && column.identity !== 'none')
    return `pg_catalog.nextval(pg_catalog.pg_get_serial_sequence(${literal(qualified(to.name))}, ${literal(name)}))`;
  return column?.default == null ? 'null' : `(${onAnyPath(column.default)})`;
}

/** For a lateral join with a key of `to` (`match`, of the row `t`): what is held of its row, or no row. */
export function heldColumns({ table, kept }: Holding, keys: SqlFragment, match: string): SqlFragment {
  const columns = kept.map(({ name }, position) => `, t.${ident(name)} as ${ident(keptName(position))}`);
  return fragment`
    select true as ${ident(held)}${columns.join('')}
    from (
    ${keys}
    ) as k
    join only ${qualified(table)} as t on ${match}`;
}

/** The end of a statement whose part `gone` gave the rows that go. */
export function holdSql({ table, kept }: Holding, key: Key): string {
  const keys = key.columns.map(({ targetName }) => targetName);
  const names = kept.map(({ name }) => name);
  const columns = identList([...keys, ...names]);
  return sql`
    insert into ${qualified(table)} (${columns})
    select ${columns} from gone
    on conflict (${identList(keys)}) do update set ${names.map((name) => `${ident(name)} = excluded.${ident(name)}`).join(', ')}`;
}

/** What rows that go give to it. */
export function returningHeld({ kept }: Holding, key: Key): string {
  return `returning ${identList([...key.columns.map(({ targetName }) => targetName), ...kept.map(({ name }) => name)])}`;
}
