import { describe, expect, test } from 'vitest';
import { FailedError } from '../../src/errors.js';
import type { Phase } from '../../src/model/phase.js';
import type { CopyPlan } from '../../src/model/plan.js';
import type { WayBack } from '../../src/model/way-back.js';
import { planOf, storedForm, targetOf } from '../../src/state/stored-plan.js';
import { aPlan, crowded } from '../report/a-plan.js';

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function readBack(plan: unknown, phase: Phase = 'copy'): CopyPlan {
  return planOf({ id: 7, phase, tables: [{ stored: { plan: json(plan), target: null } }] });
}

function unreadable(plan: unknown, phase: Phase = 'copy'): FailedError {
  try {
    readBack(plan, phase);
  } catch (error) {
    if (error instanceof FailedError) return error;
    throw error;
  }
  throw new Error('it was read');
}

/** As the version stored it that had texts in its plans. */
function former(plan: CopyPlan): Record<string, unknown> {
  const {
    how: _how,
    back: _none_planned,
    statements,
    definitions,
    dependents,
    lockSet,
    warnings,
    ...facts
  } = plan;
  const { defaultsElsewhere: _none, ...source } = definitions.source;
  return {
    ...facts,
    nativeStatements: statements,
    definitions: {
      source,
      target: {
        ...definitions.target,
        rowTypeFunctions: undefined,
        views: [],
      },
    },
    lateChecks: undefined,
    checkedForeignKeys: undefined,
    steps: [{ phase: 'prepare', what: 'record the migration', brief: 'record it' }],
    locks: [{ phase: 'copy', table: 'public.orders', mode: 'ACCESS SHARE', why: 'read the rows' }],
    dependents: dependents.map(({ kind, name }) => ({ kind, name, treatment: 'recreated', why: 'so' })),
    lockSet: lockSet.map(({ reason: _reason, ...target }) => ({ ...target, why: 'so' })),
    warnings: warnings.map(({ code }) => ({ code, message: 'so' })),
    rollback: ['pg-ghost abort'],
    endsTheRun: ['columns added'],
  };
}

describe('a plan is stored as facts', () => {
  test('the way back with it; one that has none is of a release that planned none', () => {
    const back: WayBack = {
      verdict: 'loses',
      way: {
        projection: { alias: 'orders', layers: [[{ name: 'id', expression: '"key"' }]] },
        columns: aPlan.columns,
        keyProjection: { alias: 'orders', layers: [[{ name: 'id', expression: '"key"' }]] },
        keyIndex: 'orders_key',
        mayCollide: true,
        kept: [{ name: 'legacy', otherwise: null }],
        canonical: [{ name: 'n', expression: '"n"::integer::numeric' }],
      },
      loses: [{ what: 'dropped', column: 'legacy' }],
      needs: [{ column: 'v', why: 'no-cast' }],
      against: [
        { what: 'no-index', columns: ['id'] },
        { what: 'fails', message: 'division by zero' },
      ],
      sampled: ['n'],
      isTried: true,
      ids: [{ column: 'id', newColumn: 'key', limit: '2147483647', increment: '1' }],
      narrower: [
        { what: 'type', column: 'id', type: 'integer', newType: 'bigint' },
        { what: 'check', name: 'positive' },
      ],
    };
    expect(readBack(storedForm({ ...aPlan, back })).back).toEqual(back);
    const { back: _none, ...before } = storedForm(aPlan);
    expect(readBack(before).back).toBeNull();
    expect(unreadable({ ...storedForm(aPlan), back: { ...back, verdict: 'maybe' } }).code).toBe(
      'state-unreadable',
    );
  });

  test('and is read back as it was, but for what belongs to its moment', () => {
    for (const plan of [aPlan, crowded(3)])
      expect(readBack(storedForm(plan))).toEqual({ ...plan, obstacles: [], warnings: [] });
    const kept = JSON.stringify(
      storedForm({ ...aPlan, rehearsal: { ok: true, holdMs: 1, attempts: 1, error: null } }),
    );
    for (const text of ['steps', 'rollback', 'endsTheRun', 'obstacles', 'warnings', 'rehearsal', '"what"'])
      expect(kept).not.toContain(text);
  });

  test('one that does not fit names the migration and what does not, and what to do', () => {
    const stored = json(storedForm(aPlan)) as Record<string, unknown>;
    const cases: [unknown, string][] = [
      [{ ...stored, key: null }, 'plan.key: '],
      [{ ...stored, settings: { TimeZone: 1 } }, 'plan.settings.TimeZone: '],
      [{ ...stored, columns: [{ target: 'id' }] }, 'plan.columns.0.targetType: '],
      [{ ...stored, throttle: 'new' }, 'plan: '],
      [{ ...stored, lockSet: [{ ...aPlan.lockSet[0], mode: 'EXCLUSIVELY' }] }, 'plan.lockSet.0.mode: '],
      [{ ...stored, source: { ...aPlan.source, partitions: [] } }, 'plan.source: '],
      ['nothing', 'plan: '],
      [null, 'plan: '],
    ];
    for (const [plan, where] of cases) {
      const error = unreadable(plan);
      expect(error).toMatchObject({
        code: 'state-unreadable',
        message: expect.stringContaining('migration 7') as string,
        hint: expect.stringContaining('abort migration 7') as string,
      });
      expect(error.message).toContain(where);
    }
    expect(() =>
      targetOf({ id: 7, phase: 'copy', tables: [{ stored: { plan: null, target: {} } }] }),
    ).toThrow(/target\.oid/);
    expect(targetOf({ id: 7, phase: 'copy', tables: [{ stored: { plan: null, target: null } }] })).toBeNull();
  });

  test('what people wrote into it, or PostgreSQL in another language, changes nothing but that', () => {
    const stored = storedForm(aPlan);
    const [view] = stored.dependents;
    if (view === undefined) throw new Error('there is a view');
    const { dependents, reasons, ...facts } = readBack({
      ...stored,
      dependents: [{ ...view, name: 'Sicht public.open_orders' }],
      reasons: [{ code: 'rewrites', message: 'anders gesagt' }],
    });
    expect(facts).toEqual({ ...facts, ...(json(facts) as object) });
    expect(dependents).toMatchObject([{ catalog: view.catalog, oid: view.oid, fate: view.fate }]);
    expect(reasons).toEqual([{ code: 'rewrites', message: 'anders gesagt' }]);
  });
});

describe('what a former version has stored', () => {
  test('is enough for what follows a swap', () => {
    for (const phase of ['swapped', 'finalized'] as const) {
      const plan = readBack(former(crowded(2)), phase);
      expect(plan).toMatchObject({
        key: crowded(2).key,
        settings: {},
        lateChecks: [],
        statements: aPlan.statements,
      });
      expect(plan.definitions.target.foreignKeysIn).toEqual(crowded(2).definitions.target.foreignKeysIn);
    }
  });

  test('is not run by', () => {
    expect(unreadable(former(aPlan), 'catch-up')).toMatchObject({ code: 'state-unreadable' });
  });
});
