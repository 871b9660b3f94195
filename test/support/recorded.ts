/** A migration that is on record, and nothing more: for tests of the state itself. */

/** As statements. @param id also the OID of its table, which is none */
export function recorded(id: number, phase = 'copy', runNo = 0): string[] {
  return [
    `insert into ghost.migrations (id, phase, request, run_no) overriding system value values (${id}, '${phase}', '{}', ${runNo})`,
    `insert into ghost.tables (migration_id, no, schema_name, table_name, source_oid, plan) values (${id}, 1, 'public', 't', ${id}, '{}')`,
  ];
}
