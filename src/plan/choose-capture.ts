/** How the keys of written rows will come into the log: what is asked for, where the server and the table allow it. */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { ReplicationStream } from '../db/replication.js';
import type { Session } from '../db/session.js';
import { messageOf } from '../db/sqlstate.js';
import type { Refusal } from '../errors.js';
import { refusedFor, type CopyPlan, type Plan } from '../model/plan.js';
import { checkLogical } from './checks/logical.js';
import { readLogical } from '../catalog/logical.js';

/** @param asked `auto`: from the WAL, where nothing stands against it */
export async function chooseCapture(
  session: Session,
  plan: Plan,
  asked: 'triggers' | 'logical' | 'auto',
  connection: ConnectionOptions,
): Promise<Plan> {
  if (plan.verdict !== 'copy' || asked === 'triggers') return plan;
  const known = checkLogical(await readLogical(session, plan.source.oid), plan);
  const obstacles = known.length > 0 ? known : await unreachable(connection);
  if (obstacles.length === 0) return { ...plan, capture: 'logical' };
  if (asked === 'logical') return refusedFor(plan, obstacles);
  return told(
    plan,
    obstacles.map(({ message }) => message),
  );
}

/** A connection of this kind goes its own way through what is in between. */
async function unreachable(connection: ConnectionOptions): Promise<Refusal[]> {
  try {
    await using _stream = await ReplicationStream.open({ connection, applicationName: 'pg-ghost plan' });
    return [];
  } catch (error) {
    return [
      {
        code: 'no-replication-connection',
        message: `there is no replication connection: ${messageOf(error)}`,
        hint: 'connect to the server itself, since most poolers carry none (PgBouncer from 1.23 on does); or --capture triggers',
      },
    ];
  }
}

function told(plan: CopyPlan, why: readonly string[]): CopyPlan {
  return { ...plan, warnings: [...plan.warnings, { code: 'capture-by-triggers', facts: { why } }] };
}
