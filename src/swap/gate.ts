/**
 * The gate before the swap (invariant 10): what would be swapped in has every object that it must have, and nothing else; and what
 * hangs on the source is what was planned for.
 */
import { advice, toDo } from '../advice.js';
import { readIntruders } from '../catalog/intruders.js';
import { withDeparseSettings } from '../catalog/deparse-settings.js';
import { readReferencesFrom } from '../catalog/references.js';
import { readTableShape } from '../catalog/shape.js';
import { findTable } from '../catalog/table.js';
import type { Session } from '../db/session.js';
import type { TablePlan } from '../model/plan.js';
import type { TableShape } from '../model/table-shape.js';
import { FailedError } from '../errors.js';
import { compareBeforeSwap } from '../ddl/compare-shapes.js';
import { helperIndexName } from '../ddl/helper-index-sql.js';
import { displayName } from '../sql/quote.js';

/**
 * All in one snapshot.
 *
 * @returns the shadow's OID
 * @throws SourceAltered
 * @throws FailedError `shadow-gone`, `shadow-incomplete`
 */
export async function gate(session: Session, facts: GateFacts): Promise<number> {
  return await withDeparseSettings(session, () => look(session, facts));
}

export interface GateFacts {
  readonly id: number;
  readonly plan: Pick<TablePlan, 'table' | 'serials' | 'source'>;
  readonly schemas: { readonly shadow: string };
  /** What the shadow must be. */
  readonly target: TableShape;
  /** Throws when the source is not what was planned for. */
  readonly sourceUnaltered: () => Promise<void>;
}

async function look(
  session: Session,
  { id, plan, schemas, target, sourceUnaltered }: GateFacts,
): Promise<number> {
  // What the fingerprint does not see (a publication of the whole schema) is seen here.
  await sourceUnaltered();
  const shadow = await findTable(session, { schema: schemas.shadow, name: plan.table.name });
  if (shadow === null) {
    throw new FailedError('shadow-gone', `the shadow of ${displayName(plan.table)} was dropped`, {
      state: 'the source is untouched',
      hint: advice`${toDo('abort', id)}, then run again`,
    });
  }
  const differences = compareBeforeSwap(target, await readTableShape(session, shadow.oid), {
    ownIndexes: [helperIndexName(id)],
  });
  const references = await readReferencesFrom(session, {
    tableOid: plan.source.oid,
    staying: plan.serials.map(({ sequence }) => sequence.oid),
    from: shadow.oid,
  });
  const texts = [
    ...differences.map(({ text }) => text),
    // Whatever hangs on a table comes in the swap; what is there now is somebody else's.
    ...(await readIntruders(session, { oid: shadow.oid, owner: target.owner })).map(
      ({ what }) => `${what}: not expected`,
    ),
    ...references.map(({ name, to }) => `${name} refers to ${to}, which will be the old table's`),
  ];
  if (texts.length === 0) return shadow.oid;
  throw new FailedError(
    'shadow-incomplete',
    `the shadow of ${displayName(plan.table)} is not what it must be, so it was not swapped in:\n${texts.map((text) => `  ${text}`).join('\n')}`,
    {
      details: { differences: texts },
      state: `the source is untouched; migration ${id} keeps its state`,
      hint: advice`${toDo('abort', id)}, then run again`,
    },
  );
}
