/** The user's statements, pointed at a table of the same name in another schema. */
import { retargetRelation, type RelationReference } from '../../sql/retarget.js';
import type { QualifiedName } from '../../model/name.js';
import { readChange } from './change.js';
import type { ChangeStatement } from './types.js';
import type { ChangeRequest } from '../../model/change-request.js';

/** The whole request, as it is run on a clone in this schema (or, with the source's own schema, natively). */
export function changeStatementsIn(request: ChangeRequest, schema: string): string[] {
  return readChange(request).statements.map((statement) => retargetStatement(statement, schema));
}

/**
 * A table's indexes and identity columns' sequences are in its schema, so theirs is the same.
 *
 * @param placeOf of the tables that new foreign keys reference; those without one stay what they are
 */
export function retargetStatement(
  statement: ChangeStatement,
  schema: string,
  placeOf: (reference: RelationReference) => QualifiedName | undefined = () => undefined,
): string {
  const relations: RelationReference[] = [
    ...(statement.table === null ? [] : [statement.table]),
    ...statement.indexes,
    ...statement.actions.flatMap(({ sequences }) => sequences ?? []),
  ];
  // A statement may name one index twice; the second time it is already where it belongs.
  const distinct = new Map(
    relations.map((relation) => [JSON.stringify([relation.schema, relation.name]), relation]),
  );
  const referenced = new Map(
    statement.actions
      .flatMap(({ references }) => references ?? [])
      .map((reference) => [JSON.stringify([reference.schema, reference.name]), reference]),
  );
  const others = [...referenced].flatMap(([key, from]) => {
    const to = placeOf(from);
    // Written as the table is, it is the table.
    return to === undefined || distinct.has(key) ? [] : [{ from, to }];
  });
  const own = [...distinct.values()].map((from) => ({ from, to: { schema, name: from.name } }));
  return [...others, ...own].reduce((text, { from, to }) => retargetRelation(text, from, to), statement.text);
}
