/**
 * PostgreSQL is the oracle: the same change, natively in a clone and by the tool in the original, must leave the same
 * catalog and the same rows.
 */
import { describe, expect, inject, test } from 'vitest';
import { catalogSnapshot, tableRows } from '../support/catalog-snapshot.js';
import { createDatabase } from '../support/database.js';
import { captureWherePossible, completeChange } from '../support/migration.js';
import { changes, commonSetup, type ChangeCase } from './changes.js';

const major = inject('serverMajor');

describe('the tool leaves what the native ALTER leaves', () => {
  for (const change of changes) {
    // A version that does not have the feature has nothing to carry.
    if (change.minMajor !== undefined && major < change.minMajor) continue;
    test(change.name, async () => {
      await using original = await createDatabase(change.setup ?? commonSetup);
      await using clone = await original.clone();
      const table = change.table ?? 'orders';
      for (const statement of nativeStatements(change, table)) await clone.query(statement);

      const { result } = await completeChange(
        original,
        { ...change, table },
        { settings: { capture: captureWherePossible } },
      );

      if (change.expect !== undefined) expect(result.native ? 'native' : 'copy').toBe(change.expect);
      const [expected, actual] = [await clone.connect(), await original.connect()];
      const schemas = ['public', ...(change.table?.startsWith('app.') === true ? ['app'] : [])];
      for (const schema of schemas) {
        const options = { sequenceValues: true };
        expect(await catalogSnapshot(actual, schema, options)).toEqual(
          await catalogSnapshot(expected, schema, options),
        );
      }
      expect(await tableRows(actual, table)).toEqual(await tableRows(expected, table));
      const { rows: left } = await original.query(
        `select nspname from pg_namespace where nspname like 'ghost\\_%' union all
         select relname from pg_class where relnamespace = to_regnamespace('ghost') and relname ~ '^(log|truncations)_' union all
         select proname from pg_proc where pronamespace = to_regnamespace('ghost') union all
         select tgname from pg_trigger where tgname like 'ghost\\_%'`,
      );
      expect(left).toEqual([]);
    });
  }
});

function nativeStatements(change: ChangeCase, table: string): readonly string[] {
  return (
    change.native ?? [
      ...(change.alter ?? []).map((actions) => `alter table ${table} ${actions}`),
      ...(change.statements ?? []),
    ]
  );
}
