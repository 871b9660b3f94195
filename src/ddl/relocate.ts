/** Definitions as they are for other relations: every name and every text pointed at where these have moved. */
import type { Definitions, ForeignKey, Policy, Rule, Trigger, View } from '../model/definitions.js';
import { displayName } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { retargetExpression, retargetNames, type NameMove } from '../sql/retarget-names.js';

export function relocateDefinitions<D extends Definitions>(definitions: D, moves: readonly NameMove[]): D {
  const targets = new Map(moves.map(({ from, to }) => [displayName(from), to]));
  const name = (from: QualifiedName): QualifiedName => targets.get(displayName(from)) ?? from;
  const text = (statement: string): string => retargetNames(statement, moves);
  const expression = (sql: string | null): string | null =>
    sql === null ? null : retargetExpression(sql, moves);
  const onTable = <T extends Trigger | Rule>(each: T): T => ({
    ...each,
    table: name(each.table),
    definition: text(each.definition),
  });
  const policy = (each: Policy): Policy => ({
    ...each,
    table: name(each.table),
    using: expression(each.using),
    check: expression(each.check),
  });
  const foreignKey = (each: ForeignKey): ForeignKey => ({
    ...each,
    table: name(each.table),
    references: name(each.references),
  });
  const view = <V extends View>(each: V): V => ({
    ...each,
    name: name(each.name),
    definition: text(each.definition),
    columns: each.columns.map((column) => ({ ...column, default: expression(column.default) })),
    triggers: each.triggers.map(onTable),
    rules: each.rules.map(onTable),
    indexes: each.indexes.map((index) => ({ ...index, definition: text(index.definition) })),
  });
  return {
    ...definitions,
    triggers: definitions.triggers.map(onTable),
    rules: definitions.rules.map(onTable),
    policies: definitions.policies.map(policy),
    publications: definitions.publications.map((each) => ({ ...each, filter: expression(each.filter) })),
    foreignKeysOut: definitions.foreignKeysOut.map(foreignKey),
    foreignKeysIn: definitions.foreignKeysIn.map(foreignKey),
    views: definitions.views.map(view),
    functions: definitions.functions.map((each) => ({ ...each, definition: text(each.definition) })),
    rowTypeFunctions: definitions.rowTypeFunctions.map((each) => ({
      ...each,
      definition: text(each.definition),
    })),
    policiesElsewhere: definitions.policiesElsewhere.map(policy),
    rulesElsewhere: definitions.rulesElsewhere.map(onTable),
    defaultsElsewhere: definitions.defaultsElsewhere.map((each) => ({
      ...each,
      table: name(each.table),
      expression: retargetExpression(each.expression, moves),
    })),
  };
}
