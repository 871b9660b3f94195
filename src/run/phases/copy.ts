/**
 * copy: the source's rows, in chunks, by several workers (invariants 2, 4, 7, 12).
 *
 * A source whose file moved is copied again from its first block: block numbers are all that a chunk knows.
 */
import { runCopy } from '../../copy/copier.js';
import { relaxedCommit } from '../../db/settings.js';
import { readBlocks, readSizes } from '../../catalog/sizes.js';
import { emptyShadowStatement } from '../../ddl/settle-sql.js';
import { findTableRecord } from '../../state/migrations.js';
import { setCopyStart, type TableRecord, type SourceMark } from '../../state/tables.js';
import { chunkDoneSql, readChunks } from '../../state/chunks.js';
import { forgetTruncationsStatement } from '../../stream/log-sql.js';
import { toldForward } from '../../stream/stream.js';
import type { TableContext } from '../context.js';
import { runCrew, throttled } from '../run-crew.js';
import type { Transition } from '../../model/phase.js';
import { followSource } from '../follow-source.js';
import { SourceAltered, sourceCheck, SourceMoved } from '../source-check.js';

/** A plain table is one heap. */
const unit = 1;

export async function copy(context: TableContext): Promise<Transition> {
  for (;;) {
    const { mark, blocksTotal } = await stored(context);
    if (mark === null || blocksTotal === null) throw new Error('the copy was never started');
    try {
      await copyBlocks(context, mark, blocksTotal);
      return 'done';
    } catch (error) {
      if (error instanceof SourceAltered) {
        await followSource(context, 'bare heap', error);
        continue;
      }
      if (!(error instanceof SourceMoved)) throw error;
      await restart(context);
      return 'source-moved';
    }
  }
}

async function copyBlocks(context: TableContext, mark: SourceMark, totalBlocks: number): Promise<void> {
  const { control, id, no, plan, schemas, emit, at, signal } = context;
  const chunks = await readChunks(control, context);
  const source = sourceCheck(context, mark);
  await runCopy({
    plan: {
      id,
      from: plan.table,
      to: { schema: schemas.shadow, name: plan.table.name },
      projection: plan.projection,
      settings: plan.settings,
      key: plan.key,
      told: toldForward,
    },
    crew: runCrew(context, 'copy', { settings: relaxedCommit }),
    totalBlocks,
    ...(await sizesOf(context)),
    done: chunks.map(({ from, to }) => ({ from, to })),
    rowsDone: chunks.reduce((sum, chunk) => sum + chunk.rows, 0),
    chunkTimeMs: () => context.settings.chunkTimeMs,
    checkpoint: ({ blocks, rows }) => chunkDoneSql({ id, no, unit }, blocks.from, blocks.to, rows),
    checkSource: (session) => source.check(session),
    onProgress: (progress) => emit('copy:progress', progress),
    ...throttled(context),
    at,
    signal,
  });
}

/** TRUNCATE, VACUUM FULL or CLUSTER put the rows into another file: everything again, capture goes on meanwhile. */
async function restart(context: TableContext): Promise<void> {
  const { emit, at } = context;
  await at('copy-restarting');
  emit('copy:restarted', {
    why: 'the table was rewritten or truncated meanwhile (VACUUM FULL, CLUSTER, TRUNCATE)',
  });
  for (;;) {
    try {
      return await beginAnew(context);
    } catch (error) {
      if (!(error instanceof SourceAltered)) throw error;
      await followSource(context, 'bare heap', error);
    }
  }
}

async function beginAnew(context: TableContext): Promise<void> {
  const { control, plan, schemas, capture, signal } = context;
  const { mark: before } = await stored(context);
  if (before === null) throw new Error('the copy was never started');
  // Markers of what was before are in the log, and go with it.
  await capture.upTo('copy', signal);
  await control.transaction(async () => {
    await control.execute(emptyShadowStatement({ schema: schemas.shadow, name: plan.table.name }));
    // The chunks to come see the table as these left it; one that comes later moves the file again.
    await control.execute(forgetTruncationsStatement(capture.log));
    const mark = await sourceCheck(context, before).renewed(control);
    await setCopyStart(control, context, mark, await readBlocks(control, plan.source.oid));
  });
}

async function stored(context: TableContext): Promise<TableRecord> {
  const record = await findTableRecord(context.control, context);
  if (record === null) throw new Error(`migration ${context.id} is gone`);
  return record;
}

async function sizesOf({ control, plan }: TableContext): Promise<{ blockBytes: number; toastBytes: number }> {
  const { toastBytes } = await readSizes(control, plan.source.oid);
  const { blockBytes } = await control.row<{ blockBytes: number }>(
    `select current_setting('block_size')::int as "blockBytes"`,
  );
  return { blockBytes, toastBytes };
}
