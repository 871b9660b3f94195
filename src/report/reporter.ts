/** What listens to a run and shows it somewhere. */
import type { EventListener } from '../model/event.js';

export interface Reporter {
  readonly listener: EventListener;
  /** Writes something that is not the reporter's own to the same place, without spoiling its display. */
  above(write: () => void): void;
  /** Ends timers and leaves the last state where it is. Once is enough, more often is harmless. */
  close(): void;
}
