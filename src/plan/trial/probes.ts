/** Asking PostgreSQL about expressions, with a column of our own on the clone. Leaves the clone as it found it. */
import type { Session } from '../../db/session.js';
import { isServerError, type ServerError } from '../../db/sqlstate.js';
import type { AddedColumn } from '../change/added-columns.js';
import { refusedByServer, type TrialNames } from './errors.js';
import { addProbeSql, convertProbeSql, probeValueSql } from './trial-sql.js';
import type { AddedValue } from './types.js';

export interface Probe {
  readonly session: Session;
  readonly oid: number;
  /** Quoted. */
  readonly table: string;
  readonly names: TrialNames;
}

/**
 * An expression over the table's columns is fit for a column when ALTER TYPE ... USING takes it: no subquery, no
 * aggregate, no set, and a type that can be assigned.
 *
 * @throws RefusedError
 */
export async function probeExpression(
  probe: Probe,
  label: string,
  type: string,
  expression: string,
): Promise<void> {
  await undone(probe.session, () =>
    refusedByServer(probe.names, label, async () => {
      await probe.session.asUser(() =>
        probe.session.batch([
          addProbeSql(probe.table, type, null),
          convertProbeSql(probe.table, type, expression),
        ]),
      );
    }),
  );
}

/** Whether PostgreSQL takes an expression of ours for a column of this type. */
export async function takesExpression(probe: Probe, type: string, expression: string): Promise<boolean> {
  const { session, table } = probe;
  await session.batch(['savepoint probe']);
  const isTaken = await session
    .batch([addProbeSql(table, type, null), convertProbeSql(table, type, expression)])
    .then(() => true)
    .catch((error: unknown) => {
      if (!isServerError(error) || !isOfTheExpression(error)) throw error;
      return false;
    });
  await session.batch(['rollback to savepoint probe', 'release savepoint probe']);
  return isTaken;
}

/** Class 42: no such cast, no such function. */
function isOfTheExpression({ code }: ServerError): boolean {
  return code.startsWith('42');
}

/**
 * What existing rows get in the columns that the change adds. PostgreSQL evaluates a default that is not volatile
 * once and keeps the value in the catalog; so do we, or `now()` would be another moment in every chunk, and a default
 * that is changed later in the same request would be taken for the first one.
 */
export async function probeAdded(
  probe: Probe,
  added: readonly AddedColumn[],
): Promise<ReadonlyMap<number, AddedValue>> {
  const values = new Map<number, AddedValue>();
  for (const { column, action } of added) {
    values.set(column.attnum, await addedValue(probe, column.type, action?.default?.text ?? null));
  }
  return values;
}

async function addedValue(probe: Probe, type: string, defaultText: string | null): Promise<AddedValue> {
  const { session, oid, table } = probe;
  return await undone(session, async () => {
    const before = await session.row<{ filenode: number }>({
      text: 'select pg_relation_filenode($1::oid) as filenode',
      values: [oid],
    });
    await session.asUser(() => session.batch([addProbeSql(table, type, defaultText)]));
    const probed = await session.row<{ filenode: number; hasValue: boolean; values: string[] | null }>(
      probeValueSql(oid),
    );
    const [value, ...more] = probed.values ?? [];
    // Types whose arrays use another delimiter (box) do not come out as one value.
    if (probed.hasValue && value !== undefined && more.length === 0) return { kind: 'constant', value, type };
    const rewritten = probed.filenode !== before.filenode;
    return rewritten || probed.hasValue ? { kind: 'volatile' } : { kind: 'constant', value: null, type };
  });
}

async function undone<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.batch(['savepoint probe']);
  const result = await work();
  await session.batch(['rollback to savepoint probe', 'release savepoint probe']);
  return result;
}
