/** Is what hangs on the table what it was when the migration was planned? Each difference as one line for people. */
import { isDeepStrictEqual } from 'node:util';
import type { Definitions, NamedObject } from '../model/definitions.js';
import { displayName } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';

/** Empty when they are the same. OIDs do not count: what was dropped and made again as it was is the same. */
export function compareDefinitions(expected: Definitions, actual: Definitions): string[] {
  return [
    ...compareList('trigger', expected.triggers, actual.triggers, ({ name }) => name),
    ...compareList('rule', expected.rules, actual.rules, ({ name }) => name),
    ...compareList('policy', expected.policies, actual.policies, ({ name }) => name),
    ...compareList(
      'publication',
      expected.publications,
      actual.publications,
      ({ publication }) => publication,
    ),
    ...compareList('foreign key', expected.foreignKeysOut, actual.foreignKeysOut, onTable),
    ...compareList('foreign key', expected.foreignKeysIn, actual.foreignKeysIn, onTable),
    ...compareList('view', expected.views, actual.views, ({ name }) => displayName(name)),
    ...compareList('function', expected.functions, actual.functions, ({ signature }) => signature),
    ...compareList(
      'function',
      expected.rowTypeFunctions,
      actual.rowTypeFunctions,
      ({ signature }) => signature,
    ),
    ...compareList('policy', expected.policiesElsewhere, actual.policiesElsewhere, onTable),
    ...compareList('rule', expected.rulesElsewhere, actual.rulesElsewhere, onTable),
    ...compareList('default', expected.defaultsElsewhere, actual.defaultsElsewhere, onTable),
    ...compareList('security label', expected.securityLabels, actual.securityLabels, ({ provider, column }) =>
      column === null ? provider : `${provider} of ${column}`,
    ),
    ...compareProperties('row level security', expected.rowSecurity, actual.rowSecurity),
  ];
}

function onTable({ name, table }: { readonly name: string; readonly table: QualifiedName }): string {
  return `${name} on ${displayName(table)}`;
}

function compareList<T extends object>(
  kind: string,
  expected: readonly T[],
  actual: readonly T[],
  nameOf: (item: T) => string,
): string[] {
  const found = new Map(actual.map((item) => [nameOf(item), item]));
  const known = new Set(expected.map(nameOf));
  return [
    ...expected.flatMap((item) => {
      const name = `${kind} ${nameOf(item)}`;
      const now = found.get(nameOf(item));
      return now === undefined ? [`${name}: is gone`] : compareProperties(name, item, now);
    }),
    ...actual
      .filter((item) => !known.has(nameOf(item)))
      .map((item) => `${kind} ${nameOf(item)}: not there before`),
  ];
}

/** `reads` and `views` are OIDs. */
const identities = new Set(['oid', 'tableOid', 'referencesOid', 'reads', 'views', 'filenode']);

/** Lists of `NamedObject`: what they are called is in the language of the session. */
const byIdentity = new Set(['users', 'ownParts']);

function compareProperties(name: string, expected: object, actual: object): string[] {
  return Object.entries(expected).flatMap(([property, value]: [string, unknown]) => {
    if (identities.has(property)) return [];
    const now: unknown = (actual as Record<string, unknown>)[property];
    if (byIdentity.has(property)) return compareObjects(`${name}: ${property}`, value, now);
    return isDeepStrictEqual(withoutIdentities(value), withoutIdentities(now))
      ? []
      : [`${name}: ${property}: was ${shown(value)}, is ${shown(now)}`];
  });
}

function compareObjects(name: string, expected: unknown, actual: unknown): string[] {
  const [was, is] = [expected, actual] as readonly (readonly NamedObject[])[];
  const identity = ({ catalog, oid, part }: NamedObject): string => `${catalog} ${oid} ${part}`;
  const names = (objects: readonly NamedObject[] = []): string => shown(objects.map((object) => object.name));
  return isDeepStrictEqual(was?.map(identity), is?.map(identity))
    ? []
    : [`${name}: was ${names(was)}, is ${names(is)}`];
}

function withoutIdentities(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, part: unknown) => (identities.has(key) ? undefined : part)) ?? 'null',
  );
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
