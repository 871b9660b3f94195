/** What a role must have to see of other roles' sessions more than that they are there. */

/** A boolean expression. Superusers have it. https://www.postgresql.org/docs/current/predefined-roles.html */
export const mayReadStatsSql = `pg_has_role('pg_read_all_stats', 'usage')`;

export const mayNotReadStats = 'the role lacks pg_read_all_stats, which is part of pg_monitor';
