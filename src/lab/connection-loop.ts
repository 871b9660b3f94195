/** One connection of an application: one step after the other, until it is told to stop. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';

/** Before a lost connection is made again. */
const reconnectMs = 50;

type AfterError = 'go on' | 'reconnect' | 'end';

export interface ConnectionLoop {
  readonly connect: () => Promise<pg.Client>;
  readonly step: (client: pg.Client) => Promise<void>;
  /** What follows an error of either; `client` is null when there is no connection. What it throws ends the loop. */
  readonly failed: (error: unknown, client: pg.Client | null) => Promise<AfterError>;
  readonly signal: AbortSignal;
}

/** Ends with the signal, after the step that is under way. */
export async function runConnectionLoop({ connect, step, failed, signal }: ConnectionLoop): Promise<void> {
  let client: pg.Client | null = null;
  try {
    while (!signal.aborted) {
      try {
        client ??= await connect();
        await step(client);
      } catch (error) {
        const next = await failed(error, client);
        if (next === 'end') break;
        if (next === 'reconnect') {
          await client?.end().catch(() => undefined);
          client = null;
          await sleep(reconnectMs);
        }
      }
    }
  } finally {
    await client?.end().catch(() => undefined);
  }
}
