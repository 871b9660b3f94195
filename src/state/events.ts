/** What was done in a migration, as it is kept for whoever asks later: appended to, few and small, gone with the migration. */
import type { Session } from '../db/session.js';
import { sql, type SqlQuery } from '../sql/quote.js';
import { hasTable, stateVersion } from './layout.js';

type Body = Readonly<Record<string, unknown>>;

export interface NewEvent {
  /** By the clock of this machine; stored by the server's. */
  readonly at: Date;
  readonly event: string;
  readonly body: Body;
}

export interface StoredEvent {
  /** ISO, by the server's clock, like everything else in the state. */
  readonly at: string;
  readonly event: string;
  readonly body: Body;
}

/** Longer ones are cut: an event says what was done, and nobody pages through it. */
const longestText = 500;
const mostItems = 20;
const deepest = 5;

/** In their order. Long texts and lists are cut. */
export async function appendEvents(session: Session, id: number, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return;
  await session.execute(appendEventsSql(id, events, new Date()));
}

/** @param now by the clock that `at` is of */
function appendEventsSql(id: number, events: readonly NewEvent[], now: Date): SqlQuery {
  return {
    text: sql`
      insert into ghost.events (migration_id, at, event, body)
      select $1, clock_timestamp() - (item ->> 'age')::float8 * interval '1 millisecond', item ->> 'event', item -> 'body'
      from jsonb_array_elements($2::jsonb) with ordinality as list (item, place)
      order by place`,
    values: [
      id,
      JSON.stringify(
        events.map(({ at, event, body }) => ({
          age: Math.max(0, now.getTime() - at.getTime()),
          event,
          body: bounded(body),
        })),
      ),
    ],
  };
}

/** What is stored of a body: the same, but for what is too long. */
export function bounded(body: Body): Body {
  return cut(body, 0) as Body;
}

function cut(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return shortened(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= deepest) return null;
  if (Array.isArray(value)) {
    const items = value.slice(0, mostItems).map((item) => cut(item, depth + 1));
    return value.length > mostItems ? [...items, `… and ${value.length - mostItems} more`] : items;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cut(item, depth + 1)]));
}

/** By whole characters: PostgreSQL takes no half of one. */
function shortened(text: string): string {
  if (text.length <= longestText) return text;
  return `${Array.from(text.slice(0, 2 * longestText))
    .slice(0, longestText)
    .join('')}…`;
}

/** In their order; none of a layout that did not keep them. */
export async function readEvents(
  session: Session,
  id: number,
  layout: number = stateVersion,
): Promise<StoredEvent[]> {
  if (!hasTable(layout, 'events')) return [];
  return await session.rows<StoredEvent>({
    text: sql`
      select to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at, event, body
      from ghost.events
      where migration_id = $1
      order by id`,
    values: [id],
  });
}
