import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startMetricsServer } from '../../src/cli/metrics-server.js';
import { metricsReporter } from '../../src/report/metrics.js';
import { started } from '../report/events.js';

const metrics = { text: () => Promise.resolve('some_figure 1\n'), contentType: 'text/plain; version=0.0.4' };

test('a scrape', async () => {
  await using server = await startMetricsServer(0, metrics);
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  const response = await fetch(server.url);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4');
  expect(await response.text()).toBe('some_figure 1\n');
  expect((await fetch(`${server.url}?name[]=some_figure`)).status).toBe(200);
});

test('the figures as they are at each scrape', async () => {
  const reporter = metricsReporter();
  await using server = await startMetricsServer(0, reporter);
  const scrape = async (): Promise<string> => (await fetch(server.url)).text();
  expect(await scrape()).not.toContain('pg_ghost_finished{');
  reporter.listener(started);
  expect(await scrape()).toContain('pg_ghost_finished{migration="7",table="public.orders"} 0\n');
});

test('nothing else is there', async () => {
  await using server = await startMetricsServer(0, metrics);
  const root = server.url.replace('/metrics', '');
  expect((await fetch(root)).status).toBe(404);
  expect((await fetch(`${root}/metrics/more`)).status).toBe(404);
  const posted = await fetch(server.url, { method: 'POST', body: 'x' });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET']);
  expect((await fetch(server.url, { method: 'HEAD' })).status).toBe(405);
});

test('figures that cannot be read', async () => {
  const broken = { ...metrics, text: () => Promise.reject(new Error('secret')) };
  await using server = await startMetricsServer(0, broken);
  const response = await fetch(server.url);
  expect([response.status, await response.text()]).toEqual([500, 'the figures cannot be read\n']);
});

test('a port that is in use', async () => {
  await using server = await startMetricsServer(0, metrics);
  const port = Number(new URL(server.url).port);
  await expect(startMetricsServer(port, metrics)).rejects.toMatchObject({
    code: 'metrics-port',
    exitCode: 2,
    message: `port ${port} of 127.0.0.1 is in use`,
    hint: expect.stringContaining('--metrics-port') as string,
  });
});

test('an address that is not ours', async () => {
  await expect(startMetricsServer(0, metrics, { host: '192.0.2.1' })).rejects.toMatchObject({
    code: 'metrics-port',
    message: 'cannot listen on port 0 of 192.0.2.1',
  });
});

test('its end does not wait for connections, idle or in the middle of a request', async () => {
  const server = await startMetricsServer(0, {
    ...metrics,
    text: () => new Promise<string>(() => undefined),
  });
  const { hostname, port } = new URL(server.url);
  const idle = connect(Number(port), hostname);
  await once(idle, 'connect');
  const asking = request(server.url);
  asking.end();
  const failed = once(asking, 'error');
  await once(asking, 'socket').then(([socket]) => once(socket as typeof idle, 'connect'));
  await server[Symbol.asyncDispose]();
  await failed;
  expect(await readAll(idle)).toBe('');
  await expect(fetch(server.url)).rejects.toThrow('fetch failed');
});
