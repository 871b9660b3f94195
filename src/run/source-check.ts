/**
 * Is the source still what it was when capture began (invariant 12)? Asked in each chunk's transaction and again under
 * the cutover lock; both hold a lock that keeps the answer true until they end.
 */
import { advice, doing, toDo } from '../advice.js';
import { readDependents } from '../catalog/dependents.js';
import { executeFingerprintStatement, readFingerprint, type Fingerprint } from '../catalog/fingerprint.js';
import { readDefinitions } from '../catalog/read-definitions.js';
import { readTableShape } from '../catalog/shape.js';
import type { Session } from '../db/session.js';
import { FailedError } from '../errors.js';
import { describeDependent, identityOf } from '../model/dependent.js';
import { compareDefinitions } from '../swap/compare-definitions.js';
import { compareShapes } from '../ddl/compare-shapes.js';
import { displayName } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { withValidIndexes } from '../model/table-shape.js';
import { findTableRecord } from '../state/migrations.js';
import { setFingerprint, type SourceMark } from '../state/tables.js';
import type { TableContext } from './context.js';

/** The rows lie in another file now: TRUNCATE, VACUUM FULL, CLUSTER. Block numbers mean nothing any more. */
export class SourceMoved extends Error {}

/** The definition is not the one that was planned for. Whoever catches it may follow (follow-source.ts), or end the run. */
export class SourceAltered extends Error {
  /** @param no of the table; null where it cannot be told which of them it is */
  constructor(
    readonly differences: readonly string[],
    readonly no: number | null,
  ) {
    super('the source was altered');
  }
}

/** What the source looks like now. @throws FailedError when it or its capture is gone */
export async function readMark(session: Session, context: TableContext): Promise<SourceMark> {
  return toMark(context, await readSource(session, context));
}

/** null when it is gone. */
export async function readSource(
  session: Session,
  { plan, capture }: TableContext,
): Promise<Fingerprint | null> {
  return await readFingerprint(session, plan.source.oid, capture.own);
}

/** @throws FailedError when the source or its capture is gone */
export function toMark(context: TableContext, found: Fingerprint | null): SourceMark {
  const { id, plan } = context;
  if (found === null) {
    throw new FailedError('table-gone', `the table ${displayName(plan.table)} was dropped`, {
      state: `migration ${id} has nothing left to migrate`,
      hint: advice`${doing('abort', id)} removes what is left of it`,
    });
  }
  refuseRenamed(id, plan.table, found);
  if (found.own === null || found.filenode === null || !context.capture.isIntact(found.own, null))
    throw captureBroken(context);
  return { fingerprint: found.fingerprint, filenode: found.filenode, capture: found.own };
}

/** @throws FailedError when the table is called something else than when the migration began */
export function refuseRenamed(id: number, was: QualifiedName, now: QualifiedName): void {
  if (was.schema === now.schema && was.name === now.name) return;
  throw new FailedError(
    'source-renamed',
    `the table of migration ${id} was ${displayName(was)} when it began, and is ${displayName(now)} now`,
    {
      details: { was: displayName(was), now: displayName(now) },
      state: `the source is untouched and goes on being captured under its new name; migration ${id} keeps its state`,
      hint: advice`rename it back and run the same command again, or ${toDo('abort', id)} and begin anew under the new name`,
    },
  );
}

/**
 * A fresh backend plans the query with its first run and loads the catalog's caches with that and the next. Not while the
 * application waits.
 */
export async function warmUp(context: TableContext, session: Session): Promise<void> {
  for (let run = 1; run <= 2; run += 1) await readSource(session, context);
}

/** For a session that looks in one message with other statements, after `warmUp`. */
export function lookStatement({ plan, capture }: TableContext): string {
  return executeFingerprintStatement(plan.source.oid, capture.own);
}

export interface SourceCheck {
  /** For a copy that begins again: what the source is now, if only its file is another. */
  renewed(session: Session): Promise<SourceMark>;
  /**
   * @throws SourceMoved the copy must start again
   * @throws SourceAltered the definition changed
   * @throws FailedError capture was interrupted
   */
  check(session: Session, options?: CheckOptions): Promise<void>;
}

interface CheckOptions {
  readonly fileMayMove?: boolean;
  /** Read already, in the same transaction. */
  readonly now?: SourceMark;
}

export function sourceCheck(context: TableContext, recorded: SourceMark): SourceCheck {
  let mark = recorded;
  return {
    async renewed(session) {
      const now = await readMark(session, context);
      if (!context.capture.isIntact(now.capture, mark.capture)) throw captureBroken(context);
      await refuseAltered(session, context);
      return now;
    },
    async check(session, { fileMayMove = false, now: seen } = {}) {
      const now = seen ?? (await readMark(session, context));
      // First, and for good: writes may be missing from the log, and nobody can tell which.
      if (!context.capture.isIntact(now.capture, mark.capture)) throw captureBroken(context);
      if (now.fingerprint !== mark.fingerprint) {
        await refuseAltered(session, context);
        // Something was written anew (a default that is what it was, say) that left the definition what it was.
        await setFingerprint(context.control, context, now.fingerprint);
        mark = { ...mark, fingerprint: now.fingerprint };
      }
      if (now.filenode !== mark.filenode && !fileMayMove) throw new SourceMoved();
    },
  };
}

/** @throws SourceAltered with the differences when the source's definition is not the one that was planned for */
export async function refuseAltered(session: Session, context: TableContext): Promise<void> {
  const { id, plan } = context;
  const now = withValidIndexes(await readTableShape(session, plan.source.oid));
  refuseRenamed(id, plan.table, now.name);
  const differences = [
    ...compareShapes(plan.source, now).map((difference) => difference.text),
    ...compareDefinitions(plan.definitions.source, await readDefinitions(session, plan.source.oid)),
    ...(await otherDependents(session, plan)),
  ];
  if (differences.length > 0) throw new SourceAltered([...new Set(differences)], context.no);
}

/** What came to hang on the table since it was planned for would stay with the old one. By identity: names are translated. */
async function otherDependents(session: Session, plan: TableContext['plan']): Promise<string[]> {
  const known = new Map(plan.dependents.map((dependent) => [identityOf(dependent), dependent]));
  const now = new Map(
    (await readDependents(session, plan.source.oid)).map((dependent) => [identityOf(dependent), dependent]),
  );
  return [
    ...[...now]
      .filter(([identity]) => !known.has(identity))
      .map(([, dependent]) => `${describeDependent(dependent)}: not there before`),
    ...[...known]
      .filter(([identity]) => !now.has(identity))
      .map(([, dependent]) => `${describeDependent(dependent)}: is gone`),
  ];
}

export function captureBroken({ id, capture }: TableContext): FailedError {
  return new FailedError('capture-interrupted', capture.interruption(), {
    state: 'the source is untouched; the shadow cannot be trusted any more, nothing was swapped',
    hint: advice`${toDo('abort', id)}, then run again`,
  });
}

/** Against what the state has recorded. */
export async function recordedCheck(context: TableContext): Promise<SourceCheck> {
  const record = await findTableRecord(context.control, context);
  if (record?.mark == null) throw new Error(`migration ${context.id} has no capture on record`);
  return sourceCheck(context, record.mark);
}
