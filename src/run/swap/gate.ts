/**
 * The gate before the swap (invariant 10): what would be swapped in has every object that it must have, and nothing else; and what
 * hangs on the source is what was planned for.
 */
import { advice, toDo } from '../../advice.js';
import { readIntruders } from '../../catalog/intruders.js';
import { withDeparseSettings } from '../../catalog/deparse-settings.js';
import { readReferencesFrom } from '../../catalog/references.js';
import { readTableShape } from '../../catalog/shape.js';
import { findTable } from '../../catalog/table.js';
import type { TableShape } from '../../model/table-shape.js';
import { FailedError } from '../../errors.js';
import { compareBeforeSwap } from '../../ddl/compare-shapes.js';
import { helperIndexName } from '../../ddl/helper-index-sql.js';
import { displayName } from '../../sql/quote.js';
import type { RunContext } from '../context.js';
import { refuseAltered } from '../source-check.js';

/**
 * All in one snapshot.
 *
 * @returns the shadow's OID
 * @throws SourceAltered
 * @throws FailedError `shadow-gone`, `shadow-incomplete`
 */
export async function gate(context: RunContext, target: TableShape): Promise<number> {
  return await withDeparseSettings(context.control, () => look(context, target));
}

async function look(context: RunContext, target: TableShape): Promise<number> {
  const { control, id, plan, schemas } = context;
  // What the fingerprint does not see (a publication of the whole schema) is seen here.
  await refuseAltered(control, context);
  const shadow = await findTable(control, { schema: schemas.shadow, name: plan.table.name });
  if (shadow === null) {
    throw new FailedError('shadow-gone', `the shadow of ${displayName(plan.table)} was dropped`, {
      state: 'the source is untouched',
      hint: advice`${toDo('abort', id)}, then run again`,
    });
  }
  const differences = compareBeforeSwap(target, await readTableShape(control, shadow.oid), {
    ownIndexes: [helperIndexName(id)],
  });
  const references = await readReferencesFrom(control, {
    tableOid: plan.source.oid,
    staying: plan.serials.map(({ sequence }) => sequence.oid),
    from: shadow.oid,
  });
  const texts = [
    ...differences.map(({ text }) => text),
    // Whatever hangs on a table comes in the swap; what is there now is somebody else's.
    ...(await readIntruders(control, { oid: shadow.oid, owner: target.owner })).map(
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
