/** Who does the pieces of a run: as many sessions as its settings want at the moment, held up and slowed down by its throttle. */
import type { Session } from '../db/session.js';
import type { Crew } from '../pieces/crew.js';
import type { PieceWork } from '../pieces/run-pieces.js';
import type { RunContext } from './context.js';

/** @param atMost more would find nothing to do */
export function runCrew(
  context: RunContext,
  purpose: string,
  { settings = {}, atMost = Infinity }: CrewOptions = {},
): Crew<Session> {
  const { sessions, steering } = context;
  return {
    wanted: () => Math.min(context.settings.workers, atMost),
    resized: () => steering.resized,
    join: () => sessions.open(purpose, settings),
    leave: (session) => sessions.release(session),
  };
}

interface CrewOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly atMost?: number;
}

type Permission = Required<Pick<PieceWork<Session, never, never, never>, 'permission' | 'afterPiece'>>;

/** A run that has connected again has another throttle: asked for each time. */
export function throttled({ steering }: RunContext): Permission {
  return {
    permission: async (signal) => await steering.throttle?.permission(signal),
    afterPiece: async (pieceMs, signal) => await steering.throttle?.afterChunk(pieceMs, signal),
  };
}
