/**
 * Where the trial puts what hangs on the table: each schema of the original has one of its own beside the clone's, so that
 * names which are unique there are unique here.
 */
import type { Definitions } from '../../../model/definitions.js';
import type { QualifiedName } from '../../../model/name.js';
import type { NameMove } from '../../../sql/retarget-names.js';

export type Move = NameMove;

export interface CloneNames {
  /** Besides the clone's own, which exists. */
  readonly schemas: readonly string[];
  readonly schemaOf: (original: string) => string;
  /** The table, its views, and the tables whose policies, rules and defaults use them. */
  readonly moves: readonly Move[];
  readonly back: readonly Move[];
}

/**
 * @param schema the clone's
 * @param parts its indexes and sequences, which expressions can name
 */
export function cloneNames(
  table: QualifiedName,
  definitions: Definitions,
  schema: string,
  parts: readonly Move[],
): CloneNames {
  const relations = [table, ...definitions.views.map(({ name }) => name), ...otherTables(definitions)];
  const functions = [...definitions.functions, ...definitions.rowTypeFunctions].map(({ name }) => name);
  const originals = [...new Set([table, ...relations, ...functions].map((name) => name.schema))];
  const schemas = new Map(
    originals.map((original, index) => [original, index === 0 ? schema : `${schema}_${index}`]),
  );
  const schemaOf = (original: string): string => {
    const found = schemas.get(original);
    if (found === undefined) throw new Error(`the trial has no schema for ${original}`);
    return found;
  };
  const moves = [
    ...relations.map((from): Move => ({ from, to: { schema: schemaOf(from.schema), name: from.name } })),
    ...parts,
  ];
  return {
    schemas: [...schemas.values()].slice(1),
    schemaOf,
    moves,
    back: moves.map(({ from, to, ...more }) => ({ from: to, to: from, ...more })),
  };
}

/** Tables whose own policies, rules and defaults use this one. */
export function otherTables(definitions: Definitions): QualifiedName[] {
  const { policiesElsewhere, rulesElsewhere, defaultsElsewhere } = definitions;
  const all = [...policiesElsewhere, ...rulesElsewhere, ...defaultsElsewhere].map(({ table }) => table);
  return [...new Map(all.map((name) => [JSON.stringify([name.schema, name.name]), name])).values()];
}
