/** The user's statements, pointed at a table of the same name in another schema. */
import { retargetRelation } from '../sql/retarget.js';
import { readChange } from './change.js';
import type { ChangeStatement } from './change-types.js';
import type { ChangeRequest } from './types.js';

/** The whole request, as it is run on a clone in this schema (or, with the source's own schema, natively). */
export function changeStatementsIn(request: ChangeRequest, schema: string): string[] {
  return readChange(request).statements.map((statement) => retargetStatement(statement, schema));
}

/** A table's indexes are in its schema, so theirs is the same. */
export function retargetStatement(statement: ChangeStatement, schema: string): string {
  const relations = [...(statement.table === null ? [] : [statement.table]), ...statement.indexes];
  // A statement may name one index twice; the second time it is already where it belongs.
  const distinct = new Map(
    relations.map((relation) => [JSON.stringify([relation.schema, relation.name]), relation]),
  );
  return [...distinct.values()].reduce(
    (text, relation) => retargetRelation(text, relation, { schema, name: relation.name }),
    statement.text,
  );
}
