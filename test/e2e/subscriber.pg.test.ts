/** A subscriber of the table goes on receiving every write across the swap, and nothing of the shadow. */
import { expect, inject, test } from 'vitest';
import { startEmbeddedServer } from '../../src/lab/embedded-server.js';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import pg from 'pg';
import { until } from '../support/database.js';
import { finalize, migrate } from '../../src/index.js';

test('a logical subscriber has the same rows after the swap', async () => {
  await using server = await startEmbeddedServer({
    major: inject('serverMajor') as EmbeddedMajor,
    settings: { wal_level: 'logical', max_replication_slots: '10' },
  });
  const url = (database: string): string => server.url(database);
  const connect = async (database: string): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url(database) });
    await client.connect();
    return client;
  };
  const admin = new pg.Client({ connectionString: server.url() });
  await admin.connect();
  await admin.query('create database source_db');
  await admin.query('create database copy_db');
  const [source, copy] = [await connect('source_db'), await connect('copy_db')];
  try {
    await source.query(`
      create table t (id integer primary key, v text);
      insert into t select i, 'v' || i from generate_series(1, 5000) as i;
      create publication pub for table t;`);
    await copy.query('create table t (id bigint primary key, v text)');
    // In one cluster the slot must be made outside of CREATE SUBSCRIPTION, which would wait for its own transaction.
    await source.query(`select pg_create_logical_replication_slot('sub', 'pgoutput')`);
    await copy.query(
      `create subscription sub connection '${url('source_db')}' publication pub with (create_slot = false, slot_name = 'sub')`,
    );
    const rows = async (client: pg.Client): Promise<string> =>
      String(
        (await client.query(`select md5(string_agg(id || ':' || v, ',' order by id)) as h from t`)).rows[0]
          ?.h,
      );
    const same = async (): Promise<boolean> => (await rows(source)) === (await rows(copy));
    await until(same, { what: 'the subscriber has the same rows', timeoutMs: 30_000 });

    const writer = await connect('source_db');
    const stop = new AbortController();
    const writing = (async () => {
      for (let i = 1; !stop.signal.aborted; i += 1) {
        await writer.query(`update t set v = 'w${i}' where id = ${1 + (i % 4000)}`);
        await writer.query(`insert into t values (${10_000 + i}, 'new')`);
        await writer.query(`delete from t where id = ${10_000 + i - 3}`);
      }
    })();
    const connection = { url: url('source_db') };
    const { id } = await migrate({
      connection,
      request: {
        table: 't',
        alter: ['ALTER COLUMN id TYPE bigint'],
        statements: [],
        set: [],
        rewrite: false,
      },
    });
    stop.abort();
    await writing;
    await writer.end();
    await source.query(`insert into t values (3000000000, 'after the swap')`);
    await until(same, { what: 'the subscriber has the same rows', timeoutMs: 30_000 });
    const { rows: kept } = await copy.query('select v from t where id = 3000000000');
    expect(kept).toEqual([{ v: 'after the swap' }]);
    if (id !== null) await finalize({ connection }, id);
  } finally {
    await copy.query('alter subscription sub disable').catch(() => undefined);
    await copy.query('alter subscription sub set (slot_name = none)').catch(() => undefined);
    await copy.query('drop subscription sub').catch(() => undefined);
    await Promise.all([admin.end(), source.end(), copy.end()]);
  }
});
