/** The runner's sign of life: what it is doing, and when it last said so. */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';
import { hasTable, stateVersion } from './layout.js';
import { runWord } from './parse/progress.js';
import type { RunWord } from './stored-json.js';
import { readStored } from './unreadable.js';

export interface StoredProgress {
  /** Seconds since the runner last said something, by the server's clock. */
  readonly ageSeconds: number;
  /** Parsed when it is asked for: throws FailedError `state-unreadable`. */
  readonly word: RunWord;
}

export async function writeProgress(
  session: Session,
  id: number,
  { state, settings }: RunWord,
): Promise<void> {
  await session.execute({
    text: sql`
      insert into ghost.progress (migration_id, at, body)
      values ($1, clock_timestamp(), $2)
      on conflict (migration_id) do update
      set at = excluded.at, body = excluded.body`,
    values: [id, JSON.stringify({ ...state, settings })],
  });
}

/** null when no run of it has said anything yet, and of a layout in which none did. */
export async function readProgress(
  session: Session,
  id: number,
  layout: number = stateVersion,
): Promise<StoredProgress | null> {
  if (!hasTable(layout, 'progress')) return null;
  const [found] = await session.rows<{ ageSeconds: number; body: unknown }>({
    text: sql`
      select extract(epoch from clock_timestamp() - at)::float8 as "ageSeconds", body
      from ghost.progress
      where migration_id = $1`,
    values: [id],
  });
  if (found === undefined) return null;
  const { ageSeconds, body } = found;
  return {
    ageSeconds,
    get word() {
      return readStored({ id }, 'progress', runWord, body);
    },
  };
}
