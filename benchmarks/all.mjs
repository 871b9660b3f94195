/** All benchmarks on one server, one after the other: one table, one file. */
import { copyVsInsert } from './copy-vs-insert.mjs';
import { cutoverHold, cutoverHoldWithDependents } from './cutover-hold.mjs';
import { runIfMain } from './lib/main.mjs';
import { impact } from './impact.mjs';
import { memory } from './memory.mjs';
import { runVsAlter } from './run-vs-alter.mjs';

await runIfMain(import.meta.url, 'all', {
  'run-vs-alter': runVsAlter,
  'copy-vs-insert': copyVsInsert,
  'cutover-hold': cutoverHold,
  'cutover-hold with dependents': cutoverHoldWithDependents,
  memory,
  impact,
});
