/**
 * Commands to a run from any machine that reaches the database: a row, a notification, and the answer in the row.
 * https://www.postgresql.org/docs/current/sql-notify.html
 */
import type { Session } from '../db/session.js';
import { sql } from '../sql/quote.js';
import { answer as storedAnswer, commandArguments } from './parse/command.js';
import type { Answer, Command, CommandName } from './stored-json.js';
import { readStoredIfAny } from './unreadable.js';

export const commandChannel = 'ghost_command';

/** @returns the command's id, to ask for its answer */
export async function sendCommand(
  session: Session,
  migrationId: number,
  name: CommandName,
  args: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { id } = await session.row<{ id: number }>({
    text: sql`
      with sent as (
        insert into ghost.commands (migration_id, name, arguments) values ($1, $2, $3) returning id
      )
      select sent.id, pg_notify($4, $1::text) from sent`,
    values: [migrationId, name, JSON.stringify(args), commandChannel],
  });
  return id;
}

/** null while the run has not answered. @throws FailedError `state-unreadable` */
export async function readAnswer(session: Session, commandId: number): Promise<Answer | null> {
  const [found] = await session.rows<{ id: number; answer: unknown }>({
    text: `select migration_id as id, answer from ghost.commands where id = $1`,
    values: [commandId],
  });
  return found === undefined ? null : readStoredIfAny(found, 'answer', storedAnswer, found.answer);
}

/**
 * Nobody has answered: it must not be done by a later run that knows nothing of it.
 * @returns false when there is an answer after all
 */
export async function withdrawCommand(session: Session, commandId: number): Promise<boolean> {
  const withdrawn = await session.execute({
    text: `delete from ghost.commands where id = $1 and answer is null`,
    values: [commandId],
  });
  return withdrawn > 0;
}

/** What an earlier run was asked and has not answered: whoever asked has been told so, or is gone. */
export async function withdrawOpenCommands(session: Session, migrationId: number): Promise<void> {
  await session.execute({
    text: `delete from ghost.commands where migration_id = $1 and answer is null`,
    values: [migrationId],
  });
}

/** What does not fit is for the run to answer: it keeps nobody else from an answer. */
export async function openCommands(session: Session, migrationId: number): Promise<Command[]> {
  const rows = await session.rows<Command & { arguments: unknown }>({
    text: sql`
      select id, name, arguments
      from ghost.commands
      where migration_id = $1 and answer is null
      order by id`,
    values: [migrationId],
  });
  return rows.map((row) => ({
    ...row,
    arguments: commandArguments.safeParse(row.arguments).data ?? null,
  }));
}

export async function answerCommand(session: Session, commandId: number, answer: Answer): Promise<void> {
  await session.execute({
    text: `update ghost.commands set answer = $2, answered_at = clock_timestamp() where id = $1`,
    values: [commandId, JSON.stringify(answer)],
  });
}
