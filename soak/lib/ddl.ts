/**
 * What other people change on the table while it is being migrated. Each touches only what no change of a round touches, so that
 * it does not matter which of the two comes first.
 */

/** Each may be given twice: whether a statement took place is not known when the server goes away meanwhile. */
const choices: readonly ((number: number) => readonly string[])[] = [
  (n) => [`comment on column public.t.w is 'whose ${n}'`],
  (n) => [`comment on table public.t is 'soaked ${n}'`],
  () => ['grant insert, update on public.t to soak_reader'],
  () => ['revoke all on public.t from soak_reader'],
  (n) => [`create index if not exists ddl_index_${n % 3} on public.t (v, w, n)`],
  () => ['drop index if exists public.ddl_index_0'],
  (n) => [`alter table public.t alter column w set statistics ${100 + (n % 50)}`],
  () => ['create statistics if not exists public.ddl_stats on w, v from public.t'],
  () => ['alter table public.t set (autovacuum_vacuum_scale_factor = 0.3)'],
  () => ['alter table public.t cluster on t_w_n'],
  () => ['create or replace view public.ddl_view as select w, n, v from public.t'],
  () => ['drop view if exists public.ddl_view'],
  (n) => [
    'alter table public.t drop constraint if exists ddl_check',
    `alter table public.t add constraint ddl_check check (n > ${-2 - (n % 3)})`,
  ],
  () => ['alter table public.t drop constraint if exists ddl_check'],
  () => [
    'create or replace trigger ddl_trigger after insert on public.t for each row execute function m.nothing()',
  ],
  () => ['drop trigger if exists ddl_trigger on public.t'],
  () => [
    'drop policy if exists ddl_policy on public.t',
    'create policy ddl_policy on public.t using (w >= 0)',
  ],
  // Nothing is another thing afterwards, but everything looks as if.
  () => [
    'begin; alter table public.t rename to t_elsewhere; alter table public.t_elsewhere rename to t; commit',
  ],
  () => ['alter index public.t_w_n rename to t_w_n_2', 'alter index public.t_w_n_2 rename to t_w_n'],
];

export function ddlStatements(number: number): readonly string[] {
  const choice = choices[number % choices.length];
  return choice === undefined ? [] : choice(Math.floor(number / choices.length));
}
