/**
 * Plans of former versions, which stored texts for people with the facts. Only what is swapped already is read: for what follows a
 * swap (validating, refreshing, comparing the two tables) their facts are enough.
 */

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** They had the steps as texts, and no word for the way that the change goes. */
export function isOfFormerVersion(plan: unknown): plan is Json {
  return isObject(plan) && plan['verdict'] === 'copy' && 'steps' in plan && !('how' in plan);
}

/** Facts in the form of today; to be parsed like all others. */
export function fromFormerVersion(plan: Json): Json {
  const definitions = isObject(plan['definitions']) ? plan['definitions'] : {};
  return {
    verdict: 'copy',
    how: 'copy',
    table: plan['table'],
    request: plan['request'],
    reasons: plan['reasons'],
    statements: plan['nativeStatements'],
    // Of those that were not there before the swap, nobody asks any more; nothing is locked for it either.
    dependents: [],
    lockSet: [],
    settings: plan['settings'],
    server: plan['server'],
    source: plan['source'],
    target: plan['target'],
    columns: plan['columns'],
    key: plan['key'],
    projection: plan['projection'],
    definitions: {
      source: withObjects(definitions['source']),
      target: withObjects(definitions['target']),
    },
    serials: plan['serials'],
    lateChecks: plan['lateChecks'] ?? [],
    checkedForeignKeys: plan['checkedForeignKeys'] ?? [],
    estimates: plan['estimates'],
    back: null,
  };
}

/** What uses a view or a function was there by its description; lists that came later were empty. */
function withObjects(definitions: unknown): unknown {
  if (!isObject(definitions)) return definitions;
  const each = (list: unknown, change: (item: Json) => Json): unknown =>
    Array.isArray(list) ? list.map((item: unknown) => (isObject(item) ? change(item) : item)) : list;
  return {
    defaultsElsewhere: [],
    ...definitions,
    views: each(definitions['views'], (view) => ({ ...view, users: [] })),
    rowTypeFunctions: each(definitions['rowTypeFunctions'] ?? [], (fn) => ({
      ...fn,
      ownParts: [],
      users: [],
    })),
  };
}
