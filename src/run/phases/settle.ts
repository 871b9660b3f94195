/** settle: statistics and visibility map for the shadow, so that no plan is worse after the swap than before it. */
import { vacuumAnalyzeStatements } from '../../ddl/settle-sql.js';
import type { TableContext } from '../context.js';
import type { Transition } from '../../model/phase.js';

export async function settle(context: TableContext): Promise<Transition> {
  const { sessions, schemas, plan, at } = context;
  // VACUUM cannot run in a transaction block, nor with others in one message.
  await sessions.use('settle', async (session) => {
    for (const statement of vacuumAnalyzeStatements({ schema: schemas.shadow, name: plan.table.name })) {
      // ANALYZE calls the functions in indexes.
      await session.under(plan.settings, () => session.execute(statement));
    }
  });
  await at('settled');
  return 'done';
}
