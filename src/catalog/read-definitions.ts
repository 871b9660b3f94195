/** Reads what hangs on a table. */
import type { Session } from '../db/session.js';
import type { Definitions } from '../model/definitions.js';
import { readDefaultsElsewhere } from './definitions-of/defaults-elsewhere.js';
import { readForeignKeysIn, readForeignKeysOut } from './definitions-of/foreign-keys.js';
import { readFunctions } from './definitions-of/functions.js';
import { readPolicies, readPoliciesElsewhere, readRowSecurity } from './definitions-of/policies.js';
import { readPublications } from './definitions-of/publications.js';
import { readRowTypeFunctions } from './definitions-of/row-type-functions.js';
import { readRules, readRulesElsewhere } from './definitions-of/rules.js';
import { readSecurityLabels } from './definitions-of/security-labels.js';
import { readTriggers } from './definitions-of/triggers.js';
import { readViews } from './definitions-of/views.js';
import { withDeparseSettings } from './deparse-settings.js';
import { frozen } from './freeze.js';

/**
 * Whatever a swap has to make anew. What cannot be is not here: `readDependents` has everything by its name.
 * In a transaction of the caller it reads there; outside of one, in a snapshot of its own.
 */
export async function readDefinitions(session: Session, tableOid: number): Promise<Definitions> {
  return await withDeparseSettings(session, async () => {
    const views = await readViews(session, tableOid);
    const viewOids = views.map(({ oid }) => oid);
    const functions = await readFunctions(session, tableOid, [tableOid, ...viewOids]);
    return frozen({
      triggers: await readTriggers(session, [tableOid]),
      rules: await readRules(session, [tableOid]),
      rowSecurity: await readRowSecurity(session, tableOid),
      policies: await readPolicies(session, tableOid),
      publications: await readPublications(session, tableOid),
      foreignKeysOut: await readForeignKeysOut(session, tableOid),
      foreignKeysIn: await readForeignKeysIn(session, tableOid),
      views,
      functions,
      rowTypeFunctions: await readRowTypeFunctions(session, tableOid, {
        views: viewOids,
        functions: functions.map(({ oid }) => oid),
      }),
      policiesElsewhere: await readPoliciesElsewhere(session, tableOid),
      rulesElsewhere: await readRulesElsewhere(session, tableOid, viewOids),
      defaultsElsewhere: await readDefaultsElsewhere(session, tableOid),
      securityLabels: await readSecurityLabels(session, tableOid),
    });
  });
}
