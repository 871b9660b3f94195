import { z } from 'zod';
import type { ColumnMapping } from '../../model/column-mapping.js';
import type { ProjectedColumn, Projection } from '../../model/projection.js';
import { listOf, maybeText, noun, text, yes } from './noun.js';

export const columnMapping = noun<ColumnMapping>({
  target: maybeText,
  targetType: maybeText,
  source: maybeText,
  sourceType: maybeText,
  how: z.enum(['copied', 'converted', 'computed', 'default', 'generated', 'dropped']),
  expression: maybeText,
  volatile: yes.exactOptional(),
  keepsValues: yes.exactOptional(),
});

export const projectedColumn = noun<ProjectedColumn>({ name: text, expression: text });

export const projection = noun<Projection>({
  alias: text,
  layers: listOf(listOf(projectedColumn)),
});
