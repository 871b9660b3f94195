/** How the keys of written rows will come into the log: what is asked for, where the server and the table allow it. */
import type { ConnectionOptions } from '../db/conninfo/connection-options.js';
import { ReplicationStream } from '../db/replication.js';
import type { Session } from '../db/session.js';
import { messageOf } from '../db/sqlstate.js';
import type { Refusal } from '../errors.js';
import { refusedFor, type CopyPlan, type Plan } from '../model/plan.js';
import type { PlanWarning } from '../model/plan-warning.js';
import { checkFailoverSlot, checkLogical, type AskedCapture } from './checks/logical.js';
import { readLogical, type LogicalFacts } from '../catalog/logical.js';
import { readWalBounds, type WalBounds } from '../catalog/slots.js';

export async function chooseCapture(
  session: Session,
  plan: Plan,
  settings: AskedCapture,
  connection: ConnectionOptions,
): Promise<Plan> {
  const { capture: asked } = settings;
  if (plan.verdict !== 'copy') return plan;
  const wrong = checkFailoverSlot(session.serverVersion, settings);
  if (asked === 'triggers') return wrong.length > 0 ? refusedFor(plan, wrong) : plan;
  const facts = await readLogical(session, plan.source.oid);
  const known = [...wrong, ...checkLogical(facts, plan)];
  const obstacles = known.length > 0 ? known : await unreachable(connection);
  if (obstacles.length === 0) {
    const warnings = warningsOf(facts, await readWalBounds(session));
    return { ...plan, capture: 'logical', warnings: [...plan.warnings, ...warnings] };
  }
  if (asked === 'logical') return refusedFor(plan, obstacles);
  return told(
    plan,
    obstacles.map(({ message }) => message),
  );
}

/** The copy at full speed writes so much before the server sees that less is needed. */
const ampleBytes = 4 * 1024 ** 3;

function warningsOf({ walLevel }: LogicalFacts, { keepBytes }: WalBounds): PlanWarning[] {
  const warnings: PlanWarning[] = [];
  if (walLevel !== 'logical') warnings.push({ code: 'wal-level-rises', facts: { walLevel } });
  if (keepBytes !== null && keepBytes < ampleBytes)
    warnings.push({ code: 'slot-limit', facts: { keepBytes } });
  return warnings;
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
