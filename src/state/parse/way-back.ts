import { z } from 'zod';
import type { IdRoom } from '../../model/id-room.js';
import type {
  BackObstacle,
  Inverse,
  KeptColumn,
  Loss,
  Narrower,
  NeededReverse,
  WayBack,
} from '../../model/way-back.js';
import { listOf, maybeText, noun, text, texts, yes } from './noun.js';
import { columnMapping, projectedColumn, projection } from './projection.js';

const inverse = noun<Inverse>({
  projection,
  columns: listOf(columnMapping),
  keyProjection: projection,
  keyIndex: text,
  mayCollide: yes.exactOptional(),
  canonical: listOf(projectedColumn).exactOptional(),
  kept: listOf(noun<KeptColumn>({ name: text, otherwise: maybeText })).exactOptional(),
});

const loss = noun<Loss>({
  what: z.enum(['added', 'dropped', 'recomputed', 'converted']),
  column: text,
});

const obstacle: z.ZodType<BackObstacle> = z.discriminatedUnion('what', [
  z.strictObject({ what: z.literal('no-key') }),
  z.strictObject({ what: z.literal('no-index'), columns: texts }),
  z.strictObject({ what: z.enum(['key-nullable', 'key-reverse']), column: text }),
  z.strictObject({ what: z.literal('fails'), message: text }),
]);

const narrower: z.ZodType<Narrower> = z.discriminatedUnion('what', [
  z.strictObject({ what: z.literal('type'), column: text, type: text, newType: text }),
  z.strictObject({ what: z.literal('not null'), column: text }),
  z.strictObject({ what: z.enum(['check', 'unique', 'exclusion', 'foreign key']), name: text }),
]);

export const idRooms = listOf(noun<IdRoom>({ column: text, newColumn: text, limit: text, increment: text }));

export const wayBack = noun<WayBack>({
  verdict: z.enum(['keeps', 'loses', 'needs-reverse', 'impossible', 'declined']),
  way: inverse.nullable(),
  loses: listOf(loss),
  needs: listOf(noun<NeededReverse>({ column: text, why: z.enum(['computed', 'no-cast', 'no-default']) })),
  against: listOf(obstacle),
  sampled: texts,
  isTried: yes,
  ids: idRooms,
  narrower: listOf(narrower),
});
