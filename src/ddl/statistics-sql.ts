/** Extended statistics on another table. */
import type { ExtendedStatistics } from '../model/table-shape.js';
import { ident, literal, qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { retargetNames, type NameMove } from '../sql/retarget-names.js';
import { byteSlice, byteSplice, tokens } from '../sql/tokens.js';

/**
 * Beside the table that they are made on.
 *
 * @param moves from the table that the definition names, and from its parts
 */
export function createStatistics(
  statistics: ExtendedStatistics,
  moves: readonly NameMove[],
  table: QualifiedName,
): string[] {
  const { definition, owner, target, comment } = statistics;
  const name = qualified({ schema: table.schema, name: statistics.name.name });
  return [
    withName(retargetNames(definition, moves), name),
    `alter statistics ${name} owner to ${ident(owner)}`,
    ...(target === null ? [] : [`alter statistics ${name} set statistics ${target}`]),
    ...(comment === null ? [] : [`comment on statistics ${name} is ${literal(comment)}`]),
  ];
}

export function moveStatistics(name: QualifiedName, schema: string): string {
  return `alter statistics ${qualified(name)} set schema ${ident(schema)}`;
}

/** `CREATE STATISTICS schema.name ...` */
function withName(definition: string, name: string): string {
  const [, keyword, schema, , own] = tokens(definition);
  const isExpected =
    keyword !== undefined && byteSlice(definition, keyword.start, keyword.end).toLowerCase() === 'statistics';
  if (!isExpected || schema === undefined || own === undefined) {
    throw new Error(`cannot find the name in: ${definition}`);
  }
  return byteSplice(definition, schema.start, own.end, name);
}
