/**
 * Event triggers run at every DDL statement, ours too: they may add to a table that we make, or forbid it. Nothing here
 * switches them off, even where the role could: they may be somebody's audit.
 *
 * https://www.postgresql.org/docs/current/event-triggers.html
 */
import type { Session } from '../db/session.js';
import { isServerError } from '../db/sqlstate.js';
import { frozen } from './freeze.js';

export interface EventTrigger {
  readonly name: string;
  /** ddl_command_start, ddl_command_end, sql_drop, table_rewrite. */
  readonly event: string;
  /** Empty = all commands. */
  readonly tags: readonly string[];
  /** Quoted where PostgreSQL quotes it, with and without its schema. */
  readonly function: string;
  readonly functionName: string;
}

/** Those that fire in this session, by name; a table of `login` is nobody's DDL. */
export async function readEventTriggers(session: Session): Promise<EventTrigger[]> {
  const rows = await session.rows<EventTrigger>(`
    select
      e.evtname::text as name,
      e.evtevent::text as event,
      coalesce(e.evttags, '{}') as tags,
      quote_ident(n.nspname) || '.' || quote_ident(p.proname) as function,
      quote_ident(p.proname) as "functionName"
    from pg_event_trigger as e
    join pg_proc as p on p.oid = e.evtfoid
    join pg_namespace as n on n.oid = p.pronamespace
    where e.evtevent <> 'login'
      and e.evtenabled::text in (
        'A',
        case when current_setting('session_replication_role') = 'replica' then 'R' else 'O' end
      )
      -- 17 and later can switch them off for a session.
      and coalesce(current_setting('event_triggers', true), 'on') = 'on'
    order by e.evtname collate "C"`);
  return frozen(rows);
}

/** Those whose function is in the error's context. One in C leaves no trace there. */
export function raisedBy(error: unknown, triggers: readonly EventTrigger[]): EventTrigger[] {
  const where = isServerError(error) ? error.where : undefined;
  if (where === undefined) return [];
  return triggers.filter(
    ({ function: qualified, functionName }) => names(where, qualified) || names(where, functionName),
  );
}

/** As a whole word: `audit()` is not in `no_audit()`, nor in `other.audit()`. The words around it are in the server's language. */
function names(context: string, name: string): boolean {
  const call = `${name}()`;
  for (let at = context.indexOf(call); at >= 0; at = context.indexOf(call, at + 1)) {
    if (at === 0 || !/[\w$.]/.test(context.charAt(at - 1))) return true;
  }
  return false;
}

/** Those that can have acted at one of these commands. */
export function firingAt(triggers: readonly EventTrigger[], tags: readonly string[]): EventTrigger[] {
  return triggers.filter(
    (trigger) =>
      trigger.event === 'ddl_command_end' &&
      (trigger.tags.length === 0 || trigger.tags.some((tag) => tags.includes(tag))),
  );
}

/** `event trigger "rls" (ddl_command_end, function public.enable_rls)`. */
export function describeEventTriggers(triggers: readonly EventTrigger[]): string {
  return triggers
    .map(({ name, event, function: fn }) => `event trigger "${name}" (${event}, function ${fn})`)
    .join(', ');
}

/** What to do about them. */
export function eventTriggerHint(triggers: readonly EventTrigger[], serverVersion: number): string {
  const disable = triggers.map(({ name }) => `alter event trigger ${quoted(name)} disable`).join('; ');
  const setting = serverVersion >= 170000 ? 'event_triggers = off' : 'session_replication_role = replica';
  return [
    `let its function leave sessions alone whose application_name begins with 'pg-ghost', or the schemas that begin with "ghost"`,
    `or disable it for the time of the migration: ${disable}`,
    `or give the role that migrates the setting ${setting} (a superuser may: alter role ... set ${setting})`,
  ].join('; ');
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
