/** A run's word. What an earlier version's run did not say is as it is at the beginning; what a later one's says more is kept. */
import { z } from 'zod';
import type { Blocker } from '../../model/blocker.js';
import type { EventMap } from '../../model/event.js';
import { lockModes } from '../../model/lock-mode.js';
import { phases } from '../../model/phase.js';
import { initialProgress, type LockWait, type PhaseView, type ProgressState } from '../../model/progress.js';
import type { RunWord } from '../stored-json.js';
import { figure, listOf, looseNoun, maybeFigure, maybeText, text, texts, whole, yes } from './noun.js';
import { told } from './text.js';

const phaseView = looseNoun<PhaseView>({
  phase: z.enum(phases),
  mark: z.enum(['done', 'current', 'pending']),
  seconds: maybeFigure,
});

const copyProgress = looseNoun<EventMap['copy:progress']>({
  blocksDone: figure,
  blocksTotal: figure,
  rowsCopied: figure,
  bytesDone: figure,
  rowsPerSecond: maybeFigure,
  bytesPerSecond: maybeFigure,
  etaSeconds: maybeFigure,
  workers: figure,
  chunkBlocks: figure,
  chunkMs: figure,
});

const indexProgress = looseNoun<EventMap['index:progress']>({ done: figure, total: figure, running: texts });

const applyProgress = looseNoun<EventMap['apply:progress']>({
  backlog: figure,
  keysApplied: figure,
  keysPerSecond: maybeFigure,
  batchMs: figure,
});

const verifyProgress = looseNoun<EventMap['verify:progress']>({
  rowsDone: figure,
  rowsTotal: maybeFigure,
  rowsPerSecond: maybeFigure,
  etaSeconds: maybeFigure,
  workers: figure,
  pieceMs: figure,
  differences: figure,
});

const verified = looseNoun<EventMap['verify:done']>({
  mode: z.enum(['full', 'sample']),
  rows: figure,
  differences: figure,
  leftOut: listOf(looseNoun<EventMap['verify:done']['leftOut'][number]>({ column: text, why: text })),
  seconds: figure,
});

const blocker = looseNoun<Blocker>({
  pid: whole,
  backendType: text,
  user: maybeText,
  application: maybeText,
  state: maybeText,
  transactionSeconds: maybeFigure,
  lockModes: listOf(z.enum([...lockModes, 'SI READ', 'snapshot'])),
});

const missed = looseNoun<NonNullable<LockWait['missed']>>({
  why: z.enum([
    'lock',
    'hold',
    'deadlock',
    'harm',
    'altered',
    'old-transaction',
    'wraparound',
    'not-ready',
    'old-snapshot',
  ]),
  reason: maybeText.default(null),
  blockers: listOf(blocker),
  nextTryMs: figure,
});

const lockWait = looseNoun<LockWait>({
  what: text,
  attempt: whole,
  timeoutMs: maybeFigure,
  missed: missed.nullable(),
});

const progress: z.ZodType<ProgressState> = looseNoun<ProgressState>({
  id: whole.nullable().default(initialProgress.id),
  table: maybeText.default(initialProgress.table),
  shadow: maybeText.default(initialProgress.shadow),
  fresh: yes.default(initialProgress.fresh),
  startedAt: maybeFigure.default(initialProgress.startedAt),
  phases: listOf(phaseView).default(initialProgress.phases),
  copy: copyProgress.nullable().default(initialProgress.copy),
  purgedRows: maybeFigure.default(initialProgress.purgedRows),
  index: indexProgress.nullable().default(initialProgress.index),
  apply: applyProgress.nullable().default(initialProgress.apply),
  verify: verifyProgress.nullable().default(initialProgress.verify),
  verified: verified.nullable().default(initialProgress.verified),
  lock: lockWait.nullable().default(initialProgress.lock),
  throttle: texts.default(initialProgress.throttle),
  paused: yes.default(initialProgress.paused),
  postponed: told.nullable().default(initialProgress.postponed),
  harmMs: figure.default(initialProgress.harmMs),
  followed: figure.default(initialProgress.followed),
  retrying: maybeText.default(initialProgress.retrying),
  finished: yes.default(initialProgress.finished),
});

const settings: z.ZodType<RunWord['settings']> = z
  .record(text, z.union([figure, text, yes]).nullable())
  .nullable();

/** They are stored as one object. */
export const runWord: z.ZodType<RunWord> = z
  .looseObject({ settings: settings.default(null) })
  .transform(({ settings: set, ...state }): unknown => ({ state, settings: set }))
  .pipe(z.object({ state: progress, settings }));
