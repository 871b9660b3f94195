/** One of each object that can hang on a table, for the oracle: alone, and all at once. */
import type { ChangeInput } from '../support/migration.js';

export interface CarriedCase {
  readonly name: string;
  /** On top of `base`. */
  readonly setup: string;
  /** By default the key grows and a column is renamed. */
  readonly change?: Omit<ChangeInput, 'table'>;
  /** What a DBA would do by hand; by default the change itself. */
  readonly native?: string;
  readonly minMajor?: number;
}

export const base = `
  create schema app;
  create schema "Odd Schema";
  create table customers (id integer primary key, name text, region text, unique (id, region));
  create table audit (n bigint generated always as identity, what text);
  create table orders (
    id serial primary key,
    customer_id integer,
    parent_id integer,
    region text default 'eu',
    total numeric(10, 2) not null default 1,
    note text,
    org integer,
    unique (id, region)
  );
  insert into customers select i, 'c' || i, 'eu' from generate_series(1, 20) as i;
  insert into orders (customer_id, parent_id, total, note, org)
  select 1 + i % 20, nullif(i / 2, 0), i, 'n' || i, i % 3 from generate_series(1, 300) as i;
  create function note_it() returns trigger language plpgsql as $$
    begin insert into public.audit (what) values (tg_name || ' ' || tg_op); return new; end $$;
`;

const grow = 'alter table orders alter column id type bigint; alter sequence orders_id_seq as bigint;';
/** Everything that the cases' own objects do not stand in the way of. */
export const common = {
  alter: ['ALTER COLUMN id TYPE bigint', 'RENAME COLUMN note TO remark'],
};
/** And views over them; all are bound to the row type, and a native change drops and makes them by hand. */
const rowTypeFunctions = `create function label(o orders) returns text language sql stable as 'select o.note || o.id';
      comment on function label is 'a computed field';
      create function app."All Of Them"(above integer default 0) returns setof orders language plpgsql stable security definer rows 7
        set search_path = '' as $$ begin return query select * from public.orders where id > above; end $$;
      alter function app."All Of Them" owner to carried_owner;
      revoke all on function app."All Of Them" from public;
      grant execute on function app."All Of Them" to carried_reader with grant option;
      create function one_of(variadic all_of orders[]) returns orders language sql immutable parallel safe as 'select all_of[1]';
      create procedure keep(o orders, inout n integer) language plpgsql as $$ begin n := o.id; end $$;
      create function worth(o orders) returns numeric language sql stable return o.total * 2;
      create function best() returns orders language sql stable begin atomic select o.* from public.orders as o order by public.worth(o) desc limit 1; end;
      create view labelled as select id, label(orders) as label from orders;
      create view app.more as select * from labelled where label <> '';
      grant select on app.more to carried_reader;`;

const commonNative = `${grow} alter table orders rename column note to remark;`;

export const cases: readonly CarriedCase[] = [
  {
    name: 'foreign keys out, in and to itself',
    setup: `
      alter table orders add constraint to_customer foreign key (customer_id) references customers
        on update cascade on delete set null deferrable initially deferred;
      alter table orders add constraint to_both foreign key (customer_id, region) references customers (id, region)
        match full not valid;
      alter table orders add constraint to_parent foreign key (parent_id) references orders on delete set default;
      create table app.items (id integer primary key, order_id integer constraint of_order references orders on delete cascade);
      create table "Odd Schema"."Bills" ("Order" integer, region text,
        constraint "Of Order" foreign key ("Order", region) references orders (id, region) deferrable);
      create table late (order_id integer);
      insert into late values (100000);
      alter table late add constraint late_fk foreign key (order_id) references orders not valid;
      comment on constraint to_customer on orders is 'who bought it';
      comment on constraint of_order on app.items is 'what it belongs to';
      insert into app.items select i, i from generate_series(1, 100) as i;`,
    native: commonNative,
  },
  {
    name: 'foreign keys whose columns are renamed or dropped',
    setup: `
      alter table orders add constraint to_customer foreign key (customer_id) references customers on delete cascade;
      alter table orders add constraint to_parent foreign key (parent_id) references orders;
      create table app.items (order_id integer constraint of_order references orders);`,
    change: {
      alter: [
        'RENAME COLUMN id TO key',
        'ALTER COLUMN key TYPE bigint',
        'RENAME COLUMN parent_id TO above',
        'DROP COLUMN customer_id',
      ],
    },
    native: `alter table orders rename column id to key; alter table orders alter column key type bigint;
      alter sequence orders_id_seq as bigint; alter table orders rename column parent_id to above;
      alter table orders drop column customer_id;`,
  },
  {
    name: 'ON DELETE SET NULL (columns)',
    minMajor: 15,
    setup: `alter table orders add constraint to_both foreign key (customer_id, region) references customers (id, region)
      on delete set null (customer_id);`,
    native: commonNative,
  },
  {
    name: 'foreign keys that are not enforced',
    minMajor: 18,
    setup: `alter table orders add constraint to_customer foreign key (customer_id) references customers not enforced;
      create table app.items (order_id integer constraint of_order references orders not enforced);`,
    native: commonNative,
  },
  {
    name: 'a foreign key to a partitioned table',
    // Before it VALIDATE CONSTRAINT leaves the entries for the partitions unmarked.
    minMajor: 18,
    setup: `
      create table places (region text primary key) partition by list (region);
      create table places_eu partition of places for values in ('eu');
      create table places_other partition of places default;
      insert into places values ('eu'), ('us');
      alter table orders add constraint to_place foreign key (region) references places;`,
    native: commonNative,
  },
  {
    name: 'a foreign key of a partitioned table',
    minMajor: 18,
    setup: `
      create table app.parts (order_id integer constraint of_order references orders on delete cascade) partition by range (order_id);
      create table app.part_1 partition of app.parts for values from (0) to (100);
      create table app.part_2 partition of app.parts default;
      insert into app.parts select i from generate_series(1, 200) as i;`,
    native: commonNative,
  },
  {
    name: 'views whose columns stay',
    setup: `
      create role carried_reader; create role carried_owner;
      create view cheap with (security_barrier) as select total, note, region from orders where total < 100 with local check option;
      create view app.cheaper as select c.total, c.note as "Note", x.name from cheap as c join customers as x on x.region = c.region;
      create view "Odd Schema"."Deep" as select * from app.cheaper;
      create recursive view chain (n) as select 1 union all select n + 1 from chain, orders where n < 3 and orders.total = n;
      alter view app.cheaper owner to carried_owner;
      grant select on app.cheaper to carried_reader with grant option;
      grant update (total) on cheap to carried_reader;
      comment on view cheap is 'below 100'; comment on column cheap.note is 'as written';
      alter view cheap alter column region set default 'us';
      create trigger instead_of instead of insert on app.cheaper for each row execute function note_it();
      comment on trigger instead_of on app.cheaper is 'for the front';
      create rule deep_insert as on insert to "Odd Schema"."Deep" do instead insert into public.audit (what) values (new."Note");
      comment on rule deep_insert on "Odd Schema"."Deep" is 'kept';`,
    native: commonNative,
  },
  {
    name: 'views whose columns change their type',
    setup: `
      create role carried_reader; create role carried_owner;
      create view keyed with (security_barrier) as select id, note from orders;
      create view app.keyed_too as select k.id, k.note, c.name from keyed as k left join customers as c on c.id = k.id;
      create view whole as select orders from orders;
      create view apart as select total from orders;
      alter view app.keyed_too owner to carried_owner;
      grant select on app.keyed_too to carried_reader, public;
      grant update (note) on keyed to carried_reader;
      comment on view keyed is 'the key'; comment on column keyed.id is 'grows';
      alter view keyed alter column note set default 'none';
      create trigger instead_of instead of insert on app.keyed_too for each row execute function note_it();
      create rule keyed_delete as on delete to keyed do instead nothing;`,
    change: { alter: ['ALTER COLUMN id TYPE bigint'] },
    native: `
      drop view app.keyed_too, keyed, whole;
      ${grow}
      create view keyed with (security_barrier) as select id, note from orders;
      create view app.keyed_too as select k.id, k.note, c.name from keyed as k left join customers as c on c.id = k.id;
      create view whole as select orders from orders;
      alter view app.keyed_too owner to carried_owner;
      grant select on app.keyed_too to carried_reader, public;
      grant update (note) on keyed to carried_reader;
      comment on view keyed is 'the key'; comment on column keyed.id is 'grows';
      alter view keyed alter column note set default 'none';
      create trigger instead_of instead of insert on app.keyed_too for each row execute function note_it();
      create rule keyed_delete as on delete to keyed do instead nothing;`,
  },
  {
    name: 'views that run with the rights of who asks',
    minMajor: 15,
    setup: `create view asked with (security_invoker = true, security_barrier = false) as select total, note from orders;`,
    native: commonNative,
  },
  {
    name: 'functions and procedures with an SQL body',
    setup: `
      create role carried_owner;
      create function how_many(lowest numeric) returns bigint language sql stable return (select count(*) from public.orders where total > lowest);
      create procedure forget(org integer) language sql begin atomic update public.orders set note = null where orders.org = forget.org; end;
      create function app.names() returns setof text language sql security definer set work_mem = '1MB' begin atomic select note from public.orders; end;
      alter function app.names() owner to carried_owner;
      revoke all on function app.names() from public;
      comment on function how_many is 'counts';`,
    native: `alter table orders rename column note to remark;
      drop function how_many, app.names; drop procedure forget;
      ${grow}
      create function how_many(lowest numeric) returns bigint language sql stable return (select count(*) from public.orders where total > lowest);
      create procedure forget(org integer) language sql begin atomic update public.orders set remark = null where orders.org = forget.org; end;
      create function app.names() returns setof text language sql security definer set work_mem = '1MB' begin atomic select remark as note from public.orders; end;
      alter function app.names() owner to carried_owner;
      revoke all on function app.names() from public;
      comment on function how_many is 'counts';`,
  },
  {
    name: 'an SQL body over a view that is made again',
    setup: `create view keyed as select id from orders;
      create function from_view() returns bigint language sql begin atomic select max(keyed.id) from public.keyed; end;`,
    change: { alter: ['ALTER COLUMN id TYPE bigint'] },
    native: `drop function from_view; drop view keyed; ${grow} create view keyed as select id from orders;
      create function from_view() returns bigint language sql begin atomic select max(keyed.id) from public.keyed; end;`,
  },
  {
    name: 'materialized views',
    setup: `
      create role carried_reader;
      create materialized view sums with (fillfactor = 70) as select org, sum(total) as total from orders group by org;
      create unique index sums_org on sums (org);
      create index sums_total on sums (total desc) where total > 1;
      alter table sums cluster on sums_org;
      create view app.over_sums as select org from sums;
      create materialized view empty_one as select id from orders with no data;
      alter materialized view sums alter column total set statistics 50;
      comment on materialized view sums is 'by org'; comment on index sums_org is 'one each';
      grant select on sums to carried_reader;`,
    change: { alter: ['ALTER COLUMN id TYPE bigint'], matviews: 'recreate' },
    native: `drop materialized view empty_one; ${grow} create materialized view empty_one as select id from orders with no data;`,
  },
  {
    name: 'triggers',
    setup: `
      create trigger a_when before insert or update of total on orders for each row when (new.total > 5) execute function note_it();
      create trigger b_off after insert on orders for each row execute function note_it();
      create trigger c_always after insert on orders for each row execute function note_it();
      create trigger d_replica after delete on orders for each statement execute function note_it();
      create trigger e_tables after update on orders referencing old table as was new table as is_now for each statement execute function note_it('x', 'y');
      create constraint trigger f_late after update on orders deferrable initially deferred for each row execute function note_it();
      create trigger g_note after update of note on orders for each row when (old.note is distinct from new.note) execute function note_it();
      create trigger h_truncate before truncate on orders execute function note_it();
      alter table orders disable trigger b_off, enable always trigger c_always, enable replica trigger d_replica;
      comment on trigger b_off on orders is 'sleeps';`,
    native: commonNative,
  },
  {
    name: 'a trigger on a column that changes its type',
    setup: `create trigger of_total after update of total on orders for each row execute function note_it();`,
    change: { alter: ['ALTER COLUMN total TYPE bigint'] },
    native: `drop trigger of_total on orders; alter table orders alter column total type bigint;
      create trigger of_total after update of total on orders for each row execute function note_it();`,
  },
  {
    name: 'rules',
    setup: `
      create rule also as on insert to orders do also insert into public.audit (what) values ('rule ' || new.note);
      create rule keep as on delete to orders where old.total > 200 do instead nothing;
      create rule sleeping as on update to orders do also notify something;
      alter table orders disable rule sleeping;
      comment on rule keep on orders is 'dear ones';`,
    change: { alter: ['ALTER COLUMN region TYPE varchar(8)', 'RENAME COLUMN org TO organisation'] },
    native: `alter table orders alter column region type varchar(8); alter table orders rename column org to organisation;`,
  },
  {
    name: 'row level security',
    setup: `
      create role carried_reader;
      create table app.members (org integer, who name);
      alter table orders enable row level security, force row level security;
      create policy by_org on orders for select to carried_reader using (org in (select m.org from app.members as m where m.who = current_user));
      create policy own on orders as restrictive for all to public using (id > 0) with check (total > 0 and note <> '');
      create policy add on orders for insert to carried_reader, current_user with check (region = 'eu');
      create policy gone on orders for delete using (false);
      comment on policy own on orders is 'none below 0';
      alter table app.members enable row level security;
      create policy with_orders on app.members using (exists (select from public.orders as o where o.org = members.org and o.note is not null));`,
    native: `drop policy own on orders; ${grow} alter table orders rename column note to remark;
      create policy own on orders as restrictive for all to public using (id > 0) with check (total > 0 and remark <> '');
      comment on policy own on orders is 'none below 0';`,
  },
  {
    name: 'extended statistics',
    setup: `
      create role carried_owner; grant usage, create on schema public, app to carried_owner;
      create statistics both_kinds (ndistinct, dependencies) on customer_id, org from orders;
      create statistics app.elsewhere on region, note from orders;
      create statistics of_expression on (lower(note)) from orders;
      alter statistics both_kinds set statistics 77;
      comment on statistics both_kinds is 'they go together';`,
    native: commonNative,
  },
  {
    name: 'extended statistics go with a column',
    setup: `create statistics both_kinds on customer_id, org from orders; create statistics kept on region, note from orders;`,
    change: { alter: ['DROP COLUMN org', 'ALTER COLUMN id TYPE bigint'] },
    native: `alter table orders drop column org; ${grow}`,
  },
  {
    name: 'publications and replica identity',
    setup: `create publication one for table orders; create publication two for table orders, customers with (publish = 'insert');
      alter table orders replica identity full;`,
    native: commonNative,
  },
  {
    name: 'publications with columns and a filter',
    minMajor: 15,
    setup: `create publication chosen for table orders (id, note, total) where (total > 5 and note is not null) with (publish = 'insert');
      create publication filtered for table orders where (id > 7);
      create unique index orders_ident on orders (id); alter table orders alter id set not null, replica identity using index orders_ident;`,
    native: `alter publication chosen drop table orders; alter publication filtered drop table orders; ${commonNative}
      alter publication chosen add table orders (id, remark, total) where (total > 5 and remark is not null);
      alter publication filtered add table orders where (id > 7);`,
  },
  {
    name: 'functions of the row type',
    change: { alter: ['ALTER COLUMN id TYPE bigint'] },
    setup: `
      create role carried_owner; create role carried_reader; grant usage, create on schema public, app to carried_owner;
      ${rowTypeFunctions}`,
    native: `drop view app.more, labelled; drop function label, app."All Of Them", one_of, worth, best(); drop procedure keep; ${grow}
      ${rowTypeFunctions}`,
  },
  {
    name: "another table's default from the table's sequence",
    setup: `create table app.drafts (id integer default nextval('orders_id_seq'), note text);`,
    native: commonNative,
  },
];

/** What of the above can be on one table together, in one change. */
export const allAtOnce: CarriedCase = {
  name: 'all of it on one table',
  setup: cases
    .filter(({ change, minMajor }) => change === undefined && minMajor === undefined)
    .map(({ setup }) => setup)
    .join('\n'),
  native: `drop policy own on orders; drop function how_many, app.names; drop procedure forget;
    ${commonNative}
    create policy own on orders as restrictive for all to public using (id > 0) with check (total > 0 and remark <> '');
    comment on policy own on orders is 'none below 0';
    create function how_many(lowest numeric) returns bigint language sql stable return (select count(*) from public.orders where total > lowest);
    create procedure forget(org integer) language sql begin atomic update public.orders set remark = null where orders.org = forget.org; end;
    create function app.names() returns setof text language sql security definer set work_mem = '1MB' begin atomic select remark as note from public.orders; end;
    alter function app.names() owner to carried_owner;
    revoke all on function app.names() from public;
    comment on function how_many is 'counts';`,
};
