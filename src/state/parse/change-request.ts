import { z } from 'zod';
import type { ChangeRequest } from '../../model/change-request.js';
import { listOf, noun, text, texts, yes } from './noun.js';

const givenExpressions = listOf(noun<ChangeRequest['set'][number]>({ column: text, expression: text }));

export const changeRequest = noun<ChangeRequest>({
  table: text,
  alter: texts,
  statements: texts,
  set: givenExpressions,
  reverse: givenExpressions.exactOptional(),
  rewrite: yes,
  matviews: z.enum(['refuse', 'recreate']).exactOptional(),
  allowPublicationAll: yes.exactOptional(),
});
