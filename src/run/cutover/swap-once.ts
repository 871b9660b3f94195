/**
 * One swap: the gate, and then the transaction that exchanges the tables, for which the lock is asked until the deadline.
 *
 * The application waits for everything that is done under the lock. So whatever can be known, planned or put together before is;
 * under the lock it is only looked whether that still holds.
 */
import { drain } from '../../apply/applier.js';
import type { Fingerprint } from '../../catalog/fingerprint.js';
import type { Session } from '../../db/session.js';
import { LockNotObtained } from '../../locks/attempts.js';
import type { LockedResult } from '../../locks/locked-transaction.js';
import { exchange, type ExchangedTables } from '../../swap/exchange.js';
import { forward, readiedStatements } from '../../swap/forward.js';
import { gate } from '../../swap/gate.js';
import { RowsLost } from '../../swap/lost-rows.js';
import { notObtained } from '../../swap/not-obtained.js';
import { awaitOldSnapshots } from '../../swap/old-snapshots.js';
import { markSwappedStatement, planReady } from '../../swap/ready.js';
import { readUnlockedStatement, refuseAlteredStatement } from '../../swap/unlocked-sql.js';
import { limitsOf } from '../../settings/lock-limits.js';
import { firstTable, killing, type RunContext } from '../context.js';
import { cutoverPatienceMs, notReady } from '../postponement.js';
import { lookStatement, recordedCheck, refuseAltered, toMark, type SourceCheck } from '../source-check.js';
import { catchUpAll, type SwappedTable, type SwapWork } from './work.js';

export async function swapOnce(
  context: RunContext,
  { session, tables, patience }: SwapWork,
  { rehearse: isRehearsal = false }: { readonly rehearse?: boolean } = {},
): Promise<LockedResult<number>> {
  const { control, id, settings, emit, signal } = context;
  const ready = await passGate(control, tables);
  // Nothing comes of a rehearsal that the end of a window could be late for.
  const patienceMs =
    (isRehearsal ? settings.cutoverDeadlineMs : cutoverPatienceMs(context)) - patience.spentMs;
  const snapshotsUntil = performance.now() + patienceMs;
  const limits = { ...limitsOf(settings), deadlineMs: patienceMs };
  const { table } = firstTable(context).plan;
  let unlocked = '';
  try {
    return await exchange([ready[0].pair, ...ready.slice(1).map(({ pair }) => pair)], {
      session,
      look: control,
      mark: markSwappedStatement,
      watcher: context.watcher,
      limits,
      ready: async () => notReady(context),
      ...killing(context),
      onLock: context.ledger.add,
      rehearse: isRehearsal,
      onTrying: (isTrying) => {
        if (!isRehearsal) context.steering.swap = isTrying ? 'tried' : 'ahead';
      },
      catchUp: async (endBlockers) => {
        await allLogged(context);
        const applied = await catchUpAll(tables);
        const waited = await awaitOldSnapshots(
          { id, look: control, table, settings: context.settings, emit, signal },
          snapshotsUntil,
          endBlockers,
        );
        // What came meanwhile; where nobody writes, and nothing was waited for, nothing did.
        if (applied > 0 || waited) {
          await allLogged(context);
          await catchUpAll(tables);
        }
        await planReady(
          session,
          tables.map(({ apply }) => apply),
          context.tables.map(lookStatement),
        );
        await context.at('cutover-ready');
      },
      finish: async () => {
        await context.at('cutover-locked');
        const locked = performance.now();
        await allLogged(context);
        const captureMs = performance.now() - locked;
        let keys = 0;
        for (const { swapped, check } of ready) {
          // Once, and before all looks: what no lock keeps still and changes after it, the swap's message finds changed.
          const isFirst = swapped === tables[0];
          const drained = await drain(session, swapped.apply, [
            ...(isFirst ? [readUnlockedStatement] : []),
            lookStatement(swapped.context),
          ]);
          if (isFirst) unlocked = String(drained.first[0]?.[0]?.['unlocked']);
          const look = drained.first.at(-1)?.[0] as Fingerprint | undefined;
          await check.check(session, { fileMayMove: true, now: toMark(swapped.context, look ?? null) });
          if (!swapped.applier.isComplete(drained)) throw new RowsLost(swapped);
          keys += drained.entries;
        }
        await context.at('cutover-drained');
        return { keys, captureMs };
      },
      first: () => [refuseAlteredStatement(unlocked)],
      emit,
      signal,
    });
  } catch (error) {
    if (!(error instanceof LockNotObtained)) throw error;
    throw notObtained({ id, table, maxHoldMs: limits.maxHoldMs }, error);
  }
}

interface Passed {
  readonly swapped: SwappedTable;
  readonly pair: ExchangedTables;
  /** Of its source, under the lock. */
  readonly check: SourceCheck;
}

async function passGate(
  control: Session,
  [table, ...others]: SwapWork['tables'],
): Promise<readonly [Passed, ...Passed[]]> {
  const passed: [Passed, ...Passed[]] = [await passOne(control, table)];
  for (const other of others) passed.push(await passOne(control, other));
  return passed;
}

async function passOne(control: Session, swapped: SwappedTable): Promise<Passed> {
  const { context, target } = swapped;
  const { id, plan, schemas, capture } = context;
  if ((await capture.renewal?.hasGap(control)) === true) throw new Error('entries of the log are missing');
  const check = await recordedCheck(context);
  const sourceUnaltered = (): Promise<void> => refuseAltered(control, context);
  const shadowOid = await gate(control, { id, plan, schemas, target, sourceUnaltered });
  const pair = forward({
    plan,
    schemas,
    target,
    shadowOid,
    readied: context.waiting === null ? readiedStatements({ id, plan, schemas, target }) : [],
    statisticsHomes: context.statisticsHomes,
    capture: [...capture.endStatements(), ...(context.next?.beginStatements() ?? [])],
  });
  return { swapped, pair, check };
}

/** Whatever was committed before now is in the logs. */
async function allLogged({ tables, signal }: RunContext): Promise<void> {
  for (const { capture } of tables) await capture.upTo('swap', signal);
}
