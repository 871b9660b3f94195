import { z } from 'zod';
import { definitions } from './definitions.js';
import { listOf, noun, text } from './noun.js';
import { plannedDependent } from './plan.js';
import { tableShape } from './table-shape.js';
import type { DrawnId, WindowTables } from '../stored-json.js';

const drawn = listOf(noun<DrawnId>({ column: text, last: text }));

/** That alone, for whoever only looks. */
export const windowDrawn = z.looseObject({ drawn });

export const windowTables: z.ZodType<WindowTables> = noun<WindowTables>({
  inUse: noun<WindowTables['inUse']>({
    shape: tableShape,
    definitions,
    dependents: listOf(plannedDependent),
  }),
  kept: tableShape,
  drawn,
});
