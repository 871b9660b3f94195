/** Conditions on the column `phase` of `ghost.migrations`, from the table of phases. */
import { isEnded, isOver, phases } from '../model/phase.js';
import { literal } from '../sql/quote.js';

/** The table is in it: no other migration can begin, and its objects are in use. */
export const isActiveSql = `phase not in (${phases.filter(isEnded).map(literal).join(', ')})`;

/** Something of it is in the database. */
export const isThereSql = `phase not in (${phases.filter(isOver).map(literal).join(', ')})`;
