/** How long after the last swap a table may go: `finalize --after 7d`. */
import { timeSpan } from './kinds.js';

const tenYearsMs = 315_360_000_000;

export const finalizeAfter = timeSpan('DURATION', { min: 0, max: tenYearsMs });
