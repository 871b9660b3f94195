import { z } from 'zod';
import type { ChangeRequest } from '../../model/change-request.js';
import { listOf, noun, text, texts, yes } from './noun.js';

export const changeRequest = noun<ChangeRequest>({
  table: text,
  alter: texts,
  statements: texts,
  set: listOf(noun<ChangeRequest['set'][number]>({ column: text, expression: text })),
  rewrite: yes,
  matviews: z.enum(['refuse', 'recreate']).exactOptional(),
  allowPublicationAll: yes.exactOptional(),
});
