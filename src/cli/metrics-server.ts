/** `--metrics-port`: the figures of a run over HTTP, for Prometheus to scrape. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { UsageError } from '../errors.js';
import type { Metrics } from '../report/metrics.js';

export interface MetricsServer extends AsyncDisposable {
  /** What is to be scraped, with the port that it got. */
  readonly url: string;
}

export interface MetricsServerOptions {
  /** By default nobody but this machine: figures name tables. */
  readonly host?: string;
}

/**
 * Listens when it returns. Does not keep the process alive, and does not wait for scrapers when it is disposed of.
 *
 * @param port 0: any that is free
 * @throws UsageError `metrics-port`
 */
export async function startMetricsServer(
  port: number,
  metrics: Metrics,
  { host = '127.0.0.1' }: MetricsServerOptions = {},
): Promise<MetricsServer> {
  const server = createServer(answerWith(metrics)).unref();
  await listen(server, port, host);
  // The work does not end for a socket that failed.
  server.on('error', () => undefined);
  const { port: actual } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}/metrics`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      // A scraper keeps its connection open for the next time.
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  try {
    server.listen({ port, host });
    await once(server, 'listening');
  } catch (cause) {
    const isTaken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new UsageError(
      'metrics-port',
      isTaken ? `port ${port} of ${host} is in use` : `cannot listen on port ${port} of ${host}`,
      {
        state: 'nothing was changed',
        hint: 'another --metrics-port; with 0 it is any that is free, and is told',
        details: { port, host },
        ...(isTaken ? {} : { cause }),
      },
    );
  }
}

function answerWith(metrics: Metrics): RequestListener {
  return (request, response) => {
    const refuse = (status: number, text: string, headers = {}): void => {
      response
        .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers })
        .end(`${text}\n`);
    };
    const path = request.url?.split('?', 1)[0];
    if (path !== '/metrics') return refuse(404, 'only /metrics is here');
    if (request.method !== 'GET') return refuse(405, 'only GET is answered', { allow: 'GET' });
    metrics.text().then(
      (text) =>
        void response
          .writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' })
          .end(text),
      () => refuse(500, 'the figures cannot be read'),
    );
  };
}
