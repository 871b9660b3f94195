/**
 * purge: rows that were written while the copy ran leave the shadow, which may have them twice or as they were; apply brings
 * them back (invariant 4). Then VACUUM, now that it is cheapest: without indexes.
 */
import { purge } from '../../apply/purge.js';
import { relaxedCommit } from '../../db/settings.js';
import { vacuumFreezeStatement } from '../../ddl/settle-sql.js';
import { settleChunks } from '../../state/chunks.js';
import { applyPlanOf } from '../apply-facts.js';
import type { TableContext } from '../context.js';
import type { Transition } from '../../model/phase.js';

export async function purgePhase(context: TableContext): Promise<Transition> {
  const { control, sessions, plan, schemas, capture, emit, signal } = context;
  await settleChunks(control, context);
  await context.at('copied');
  const apply = await applyPlanOf(context);
  await sessions.use(
    'purge',
    async (session) => {
      await capture.upTo('purge', signal);
      emit('purge:done', { rows: await purge(session, apply, signal) });
      await context.at('purged');
      await session.execute(vacuumFreezeStatement({ schema: schemas.shadow, name: plan.table.name }));
    },
    relaxedCommit,
  );
  await context.at('purge-vacuumed');
  return 'done';
}
