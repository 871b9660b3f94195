/** What the new shape allows and the old one does not: rows that make use of it are not brought back by themselves. Pure. */
import type { ForeignKey } from '../../model/definitions.js';
import type { Column, TableShape } from '../../model/table-shape.js';
import type { Narrower } from '../../model/way-back.js';
import { hasRoomFor } from '../mapping/type-facts.js';
import type { ChangeStatement } from '../change/types.js';

/** Columns whose old type may not hold what the new one does. */
export function narrowerTypes(before: TableShape, after: TableShape): Narrower[] {
  return before.columns.flatMap((old): Narrower[] => {
    const now = sameColumn(after, old);
    return now === undefined || old.generated !== 'none' || hasRoomFor(now, old)
      ? []
      : [{ what: 'type', column: old.name, type: old.type, newType: now.type }];
  });
}

export interface Constrained {
  readonly before: TableShape;
  readonly after: TableShape;
  readonly statements: readonly ChangeStatement[];
  readonly foreignKeys: {
    readonly before: readonly ForeignKey[];
    readonly after: readonly ForeignKey[];
  };
}

/** NOT NULLs, CHECKs, unique indexes, exclusions and foreign keys that go with the change. */
export function narrowerRules({ before, after, statements, foreignKeys }: Constrained): Narrower[] {
  const dropped = new Set(
    statements.flatMap(({ actions }) =>
      actions.flatMap(({ kind, constraint }) =>
        kind === 'drop constraint' && constraint !== null ? [constraint] : [],
      ),
    ),
  );
  const stays = (name: string, definition: string): boolean =>
    after.constraints.some(
      (each) => each.definition === definition || (each.name === name && !dropped.has(name)),
    );
  const notNulls = before.columns.flatMap((old): Narrower[] => {
    const now = sameColumn(after, old);
    return old.notNull && now !== undefined && !now.notNull ? [{ what: 'not null', column: old.name }] : [];
  });
  const checks = before.constraints.flatMap(({ type, name, definition, enforced }): Narrower[] =>
    type === 'check' && enforced && !stays(name, definition) ? [{ what: 'check', name }] : [],
  );
  const kept = new Set(foreignKeys.after.map(({ oid }) => oid));
  return [
    ...notNulls,
    ...checks,
    ...uniqueRules(before, after),
    ...foreignKeys.before
      .filter(({ oid }) => !kept.has(oid))
      .map(({ name }): Narrower => ({ what: 'foreign key', name })),
  ];
}

function sameColumn(shape: TableShape, { attnum }: Column): Column | undefined {
  return shape.columns.find((each) => each.attnum === attnum);
}

/** Compared by their columns, which a rename follows, or word for word. */
function uniqueRules(before: TableShape, after: TableShape): Narrower[] {
  const now = new Set(after.indexes.filter(isRule).map((index) => essence(after, index)));
  return before.indexes
    .filter((index) => isRule(index) && !now.has(essence(before, index)))
    .map(({ name, exclusion }) => ({ what: exclusion ? 'exclusion' : 'unique', name }));
}

type Index = TableShape['indexes'][number];

function isRule({ unique, exclusion }: Index): boolean {
  return unique || exclusion;
}

function essence(shape: TableShape, index: Index): string {
  const keys = index.keys.map(
    ({ column, expression }) => shape.columns.find(({ name }) => name === column)?.attnum ?? expression,
  );
  const names = index.exclusion ? index.keys.map(({ conflictOperator }) => conflictOperator) : [];
  return JSON.stringify([
    index.exclusion ? keys : keys.map(String).toSorted(),
    names,
    index.predicate,
    index.nullsNotDistinct,
    index.exclusion,
  ]);
}
