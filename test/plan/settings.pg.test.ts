/** A plan under the settings that a run would be given says what that run says. */
import { expect, test } from 'vitest';
import { plan, type ChangeRequest, type RunSettings, describePlan } from '../../src/index.js';
import { createDatabase } from '../support/database.js';
import { failure, request, runChange } from '../support/migration.js';

/** Enough foreign keys for a hold of more than half of the default budget. */
const setup = `
  create table t (id int primary key, note varchar(10));
  create table many (id int primary key);
  do $$ begin
    for i in 1..300 loop
      execute format('create table r%s (many_id int references many (id))', i);
    end loop;
  end $$`;

test('native, max-hold, and what is out of range', async () => {
  await using db = await createDatabase(setup);
  const planned = (change: ChangeRequest, settings: Partial<RunSettings>) =>
    plan({ connection: { url: db.url }, request: change, settings });
  const copy = request({ table: 't', alter: ['alter column id type bigint'] });
  const native = request({ table: 't', alter: ['alter column note type varchar(20)'] });

  const refused = await planned(copy, { native: 'only' });
  expect(refused).toMatchObject({ verdict: 'refused', reasons: [{ code: 'needs-copy' }] });
  expect(await failure(runChange(db, copy, { settings: { native: 'only' } }))).toMatchObject({
    code: 'needs-copy',
    message: refused.reasons[0]?.message,
    hint: refused.reasons[0]?.hint,
  });
  expect((await planned(copy, { native: 'auto' })).verdict).toBe('copy');
  expect((await planned(native, { native: 'only' })).verdict).toBe('native');
  expect(await planned(native, { native: 'never' })).toMatchObject({
    verdict: 'copy',
    reasons: [{ code: 'rewrite-requested' }],
    request: { rewrite: true },
  });

  const wide = request({ table: 'many', alter: ['alter column id type bigint'] });
  const longHold = async (settings: Partial<RunSettings>): Promise<string | undefined> =>
    describePlan(await planned(wide, settings)).warnings.find(({ code }) => code === 'long-hold')?.message;
  expect(await longHold({ maxHoldMs: 100 })).toMatch(
    /--max-hold \(100 ms\) is rolled back: give --max-hold \d00,/,
  );
  expect(await longHold({ maxHoldMs: 2000 })).toBeUndefined();

  const bad = {
    code: 'bad-setting',
    exitCode: 2,
    message: expect.stringContaining('maxHoldMs is 0') as unknown,
  };
  expect(await failure(planned(copy, { maxHoldMs: 0 }))).toMatchObject(bad);
  expect(await failure(runChange(db, copy, { settings: { maxHoldMs: 0 } }))).toMatchObject(bad);
});
