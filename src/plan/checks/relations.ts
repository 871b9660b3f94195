/** Every statement must be about the one table and its indexes, by the names that the session resolves. */
import type { TableShape } from '../../model/table-shape.js';
import type { Session } from '../../db/session.js';
import type { Refusal } from '../../errors.js';
import { displayName } from '../../sql/quote.js';
import type { RelationReference } from '../../sql/retarget.js';
import { referenceText } from '../change/change.js';
import type { ChangeStatement } from '../change/types.js';

/** OIDs by the text of the reference; null where there is no such relation. */
export type ResolvedRelations = ReadonlyMap<string, number | null>;

export async function resolveRelations(
  session: Session,
  statements: readonly ChangeStatement[],
): Promise<ResolvedRelations> {
  const texts = statements.flatMap(({ table, indexes }) =>
    [...(table === null ? [] : [table]), ...indexes].map(referenceText),
  );
  const rows = await session.asUser(() =>
    session.rows<{ text: string; oid: number | null }>({
      text: `
        select text, pg_catalog.to_regclass(text)::pg_catalog.oid as oid
        from pg_catalog.unnest($1::pg_catalog.text[]) as text`,
      values: [[...new Set(texts)]],
    }),
  );
  return new Map(rows.map(({ text, oid }) => [text, oid]));
}

export function checkRelations(
  source: TableShape,
  statements: readonly ChangeStatement[],
  resolved: ResolvedRelations,
): Refusal[] {
  const oidOf = (reference: RelationReference): number | null =>
    resolved.get(referenceText(reference)) ?? null;
  return statements.flatMap(({ table, indexes, actions }) => {
    const label = actions.map((action) => action.label).join(', ');
    const other = table === null || oidOf(table) === source.oid ? [] : [otherTable(source, table, label)];
    return [
      ...other,
      ...indexes.flatMap((index) => otherIndex(source, index, oidOf(index), label)),
      ...actions.flatMap((action) =>
        (action.sequences ?? [])
          .filter(({ schema }) => schema !== source.name.schema)
          .map((sequence) => otherSchema(sequence, action.label)),
      ),
    ];
  });
}

/** On a clone, in a schema of its own, PostgreSQL could not tell. */
function otherSchema(sequence: RelationReference, label: string): Refusal {
  return {
    code: 'rejected-by-server',
    message: `${label}: PostgreSQL makes the sequence of an identity column in the schema of its table only`,
    hint: `name it without a schema instead of ${referenceText(sequence)}`,
  };
}

function otherTable(source: TableShape, table: RelationReference, label: string): Refusal {
  return {
    code: 'other-table',
    message: `${label}: is about ${referenceText(table)}, not about ${displayName(source.name)}`,
    hint: 'one migration changes one table; check --table and the search_path',
  };
}

/**
 * What does not exist yet may be made by an earlier statement of the request: the trial knows. But then it must not
 * have the name of an index that we would take for it.
 */
function otherIndex(
  source: TableShape,
  index: RelationReference,
  oid: number | null,
  label: string,
): Refusal[] {
  const own = source.indexes.find(({ name }) => name === index.name);
  const isOurs = oid !== null && source.indexes.some((candidate) => candidate.oid === oid);
  const mayComeToBe =
    oid === null && own === undefined && (index.schema === undefined || index.schema === source.name.schema);
  if (isOurs || mayComeToBe) return [];
  return [
    {
      code: 'other-index',
      message: `${label}: ${referenceText(index)} is not an index of ${displayName(source.name)}`,
      hint:
        own === undefined
          ? 'one migration changes one table and its indexes'
          : 'qualify the name with its schema',
    },
  ];
}
