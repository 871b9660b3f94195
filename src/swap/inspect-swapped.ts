/**
 * Is the new table, in the swap's own transaction, what it must be (invariant 10)? Asked where event triggers could have
 * added to it at `SET SCHEMA`, CREATE TRIGGER, CREATE VIEW and the like, after the gate.
 */
import { addedByEventTrigger } from '../catalog/event-trigger-errors.js';
import { firingAt, readEventTriggers } from '../catalog/event-triggers.js';
import type { Definitions, TargetDefinitions } from '../model/definitions.js';
import { readDefinitions } from '../catalog/read-definitions.js';
import { readTableShape } from '../catalog/shape.js';
import type { TableShape } from '../model/table-shape.js';
import type { Session } from '../db/session.js';
import { FailedError } from '../errors.js';
import { compareDefinitions } from './compare-definitions.js';
import { shapeIntruders } from '../shadow/shape-intruders.js';

export interface Swapped {
  readonly oid: number;
  readonly target: TableShape;
  readonly definitions: TargetDefinitions;
}

/** @throws FailedError `event-trigger` */
export async function inspectSwapped(session: Session, swapped: Swapped): Promise<void> {
  const differences = swappedDifferences(swapped, {
    shape: await readTableShape(session, swapped.oid),
    definitions: await readDefinitions(session, swapped.oid),
  });
  if (differences.length === 0) return;
  const left = differences.map((what) => ({ what, remove: [] }));
  const triggers = firingAt(await readEventTriggers(session), swapTags);
  const { code, message, hint } = addedByEventTrigger(
    'the new table, in the swap,',
    left,
    triggers,
    session.serverVersion,
  );
  throw new FailedError(code, message, {
    state: 'the swap was taken back: the source is untouched, the shadow stays in sync',
    ...(hint === null ? {} : { hint: `${hint}; then run the same command again` }),
    details: { differences },
  });
}

/** Each as one line for people; none when it is what the swap has made it, but for texts. */
export function swappedDifferences(
  { target, definitions }: Omit<Swapped, 'oid'>,
  found: { readonly shape: TableShape; readonly definitions: Definitions },
): string[] {
  return [
    ...shapeIntruders(comparable(target), comparable(found.shape)).map(({ what }) => what),
    ...compareDefinitions(essence(definitions), essence(found.definitions)),
  ];
}

const swapTags = [
  'ALTER TABLE',
  'CREATE VIEW',
  'ALTER VIEW',
  'CREATE TRIGGER',
  'CREATE POLICY',
  'CREATE RULE',
  'CREATE FUNCTION',
  'ALTER PUBLICATION',
  'GRANT',
  'COMMENT',
];

/** Foreign keys and constraint triggers are among the definitions; indexes that were not valid are not carried. */
function comparable(shape: TableShape): TableShape {
  return {
    ...shape,
    constraints: shape.constraints.filter(({ type }) => type !== 'foreign key' && type !== 'trigger'),
    indexes: shape.indexes.filter(({ valid }) => valid),
  };
}

/** Texts may be printed otherwise when they have been read once more; foreign keys are not valid before the next phase. */
const passing = new Set([
  'definition',
  'using',
  'check',
  'filter',
  'default',
  'expression',
  'predicate',
  'keys',
  'type',
  'collation',
  'columnTypes',
  'referencedTypes',
  'columnCollations',
  'referencedCollations',
  'tableUnlogged',
  'referencesUnlogged',
  'validated',
  'disabled',
  'populated',
  'users',
  'how',
]);

function essence(definitions: Definitions): Definitions {
  return JSON.parse(
    JSON.stringify(definitions, (key, value: unknown) => (passing.has(key) ? undefined : value)),
  ) as Definitions;
}
