import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { type EmbeddedServer, startEmbeddedServer } from '../../src/lab/embedded-server.js';
import '../support/global-setup.js';
import { until } from '../support/until.js';
import { startOwner } from './owner.js';

const tested = inject('serverMajor');
const major = (tested >= 14 && tested <= 18 ? tested : 18) as EmbeddedMajor;
const settings = { fsync: 'off' };

/** All that a server makes is in here: TMPDIR points to it. */
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-test-'));
  // The server's account has to get in.
  await chmod(folder, 0o755);
  vi.stubEnv('TMPDIR', folder);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function query(server: EmbeddedServer, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url() });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query({ text, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

function postmasterPid(server: EmbeddedServer): number {
  return Number(readFileSync(join(server.dataDirectory, 'postmaster.pid'), 'utf8').split('\n')[0]);
}

/** A process that has ended but that nobody has waited for yet (state Z) does not count. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !readFileSync(stat, 'utf8').includes(') Z ');
}

test('starts the wanted version with the settings, and leaves nothing', async () => {
  const server = await startEmbeddedServer({
    major,
    settings: { ...settings, work_mem: '5MB', application_name: "it's" },
  });
  const pid = postmasterPid(server);
  expect(await query(server, `select split_part(current_setting('server_version'), '.', 1)`)).toEqual([
    [String(major)],
  ]);
  expect(await query(server, 'show work_mem')).toEqual([['5MB']]);
  expect(await query(server, 'show server_encoding')).toEqual([['UTF8']]);
  await server.stop();
  expect(isAlive(pid)).toBe(false);
  expect(await readdir(folder)).toEqual([]);
});

test('asks for the password', async () => {
  await using server = await startEmbeddedServer({ major, settings });
  const client = new pg.Client({ connectionString: server.url('postgres', 'postgres', 'wrong') });
  await expect(client.connect()).rejects.toMatchObject({ code: '28P01' });
});

test('a crash and a restart keep what was committed, and the port', async () => {
  await using server = await startEmbeddedServer({ major, settings });
  const { port } = server;
  await query(server, 'create table kept as select 1 as one');
  await server.restart({ immediate: true, settings: { work_mem: '6MB' } });
  expect(server.port).toBe(port);
  expect(await query(server, 'select one, current_setting($$work_mem$$) from kept')).toEqual([[1, '6MB']]);
  await server.restart();
  expect(await query(server, 'select one from kept')).toEqual([[1]]);
});

test('an immediate stop leaves nothing, and a second stop is harmless', async () => {
  const server = await startEmbeddedServer({ major, settings });
  const pid = postmasterPid(server);
  await Promise.all([server.stop({ immediate: true }), server.stop()]);
  expect(isAlive(pid)).toBe(false);
  expect(await readdir(folder)).toEqual([]);
});

test('a server that does not start says why, and leaves nothing', async () => {
  const start = startEmbeddedServer({ major, settings: { shared_buffers: 'plenty' } });
  await expect(start).rejects.toMatchObject({
    code: 'embedded-not-started',
    message: expect.stringContaining('invalid value for parameter "shared_buffers": "plenty"'),
  });
  expect(await readdir(folder)).toEqual([]);
});

test('an aborted start leaves nothing', async () => {
  const controller = new AbortController();
  const start = startEmbeddedServer({ major, settings, signal: controller.signal });
  await until(async () => (await readdir(folder)).length > 0, { what: 'the first file of the server' });
  controller.abort(new Error('changed my mind'));
  await expect(start).rejects.toThrow('changed my mind');
  expect(await readdir(folder)).toEqual([]);
});

test.each([
  ['killed', 'SIGKILL', false],
  ['terminated', 'SIGTERM', false],
  ['interrupted with its process group, as by Ctrl-C', 'SIGINT', true],
  ['hung up with its process group, as by a closed terminal', 'SIGHUP', true],
] as const)('nothing outlives a process that is %s', async (_how, signal, wholeGroup) => {
  using owner = await startOwner(folder, major, 'setInterval(() => {}, 1000);');
  const pid = owner.process.pid as number;
  process.kill(wholeGroup ? -pid : pid, signal);
  await once(owner.process, 'exit');
  expect(owner.process.signalCode).toBe(signal);
  await until(() => !isAlive(owner.postmasterPid), { what: 'the end of the server' });
  await until(() => !existsSync(owner.serverDirectory), { what: 'the removal of its directory' });
});

test.each([
  ['comes to its end', '', 0],
  ['exits', 'process.exit(3);', 3],
  ['throws', 'throw new Error("oh");', 1],
])('nothing outlives a process that %s', async (_how, end, exitCode) => {
  using owner = await startOwner(folder, major, end);
  if (owner.process.exitCode === null) await once(owner.process, 'exit');
  expect(owner.process.exitCode).toBe(exitCode);
  await until(() => !isAlive(owner.postmasterPid), { what: 'the end of the server' });
  await until(() => !existsSync(owner.serverDirectory), { what: 'the removal of its directory' });
});
