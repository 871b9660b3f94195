/** How the keys of written rows come into the log, as plan, status and run tell it. */
import type { LockMode } from './lock-mode.js';

export const captureModeNames = ['triggers', 'logical'] as const;

export type CaptureMode = (typeof captureModeNames)[number];

/** Where nothing else is asked for. */
export const defaultCaptureMode: CaptureMode = 'triggers';

export interface CaptureNature {
  /** Ends the sentence `log the keys of every write ...`. */
  readonly how: string;
  /** On the table, under which it begins. */
  readonly lock: { readonly mode: LockMode; readonly why: string };
  /** What it leaves on the table, and nobody must touch. */
  readonly parts: string;
}

export const captureModes: Readonly<Record<CaptureMode, CaptureNature>> = {
  triggers: {
    how: 'by trigger',
    // Waits for writers, so that its commit separates the writes before it from those after it; readers do not notice.
    lock: { mode: 'SHARE ROW EXCLUSIVE', why: 'create the trigger that logs keys' },
    parts: 'the capture triggers',
  },
  logical: {
    how: 'from the WAL, by a logical replication slot',
    // As any publication: keeps away DDL and VACUUM for its moment, no reader or writer.
    lock: { mode: 'SHARE UPDATE EXCLUSIVE', why: 'publish the keys of its rows' },
    parts: 'the publication that capture reads',
  },
};
