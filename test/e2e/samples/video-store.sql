-- A video rental shop, after the shape of the Sakila and Pagila sample databases.
create type rating as enum ('G', 'PG', 'PG-13', 'R', 'NC-17');
create domain release_year as integer check (value between 1901 and 2155);
create function touch() returns trigger language plpgsql as $$
  begin new.last_update := timestamptz '2026-01-01 00:00:00+00'; return new; end $$;
create aggregate joined(text) (sfunc = textcat, stype = text);
create table language (language_id serial primary key, name char(20) not null, last_update timestamptz not null default now());
create table actor (actor_id serial primary key, first_name text not null, last_name text not null, last_update timestamptz not null default now());
create index idx_actor_last_name on actor (last_name);
create table category (category_id serial primary key, name text not null, last_update timestamptz not null default now());
create table film (
  film_id serial primary key,
  title text not null,
  description text,
  year release_year,
  language_id integer not null references language on update cascade on delete restrict,
  original_language_id integer references language on update cascade on delete restrict,
  rental_duration smallint not null default 3,
  rental_rate numeric(4, 2) not null default 4.99,
  length smallint,
  replacement_cost numeric(5, 2) not null default 19.99,
  rated rating default 'G',
  last_update timestamptz not null default now(),
  special_features text[],
  fulltext tsvector not null
);
create index film_fulltext_idx on film using gist (fulltext);
create index idx_title on film (title);
create table film_actor (
  actor_id integer not null references actor on update cascade on delete restrict,
  film_id integer not null references film on update cascade on delete restrict,
  last_update timestamptz not null default now(),
  primary key (actor_id, film_id)
);
create index idx_fk_film_id on film_actor (film_id);
create table film_category (
  film_id integer not null references film on update cascade on delete restrict,
  category_id integer not null references category on update cascade on delete restrict,
  last_update timestamptz not null default now(),
  primary key (film_id, category_id)
);
create table address (address_id serial primary key, address text not null, district text not null, phone text);
create table store (store_id serial primary key, manager_staff_id integer not null unique, address_id integer not null references address);
create table staff (
  staff_id serial primary key, first_name text not null, address_id integer not null references address,
  store_id integer not null references store, active boolean not null default true, picture bytea
);
alter table store add foreign key (manager_staff_id) references staff deferrable initially deferred;
create table customer (
  customer_id serial primary key,
  store_id integer not null references store on update cascade on delete restrict,
  first_name text not null,
  last_name text not null,
  email text,
  address_id integer not null references address,
  activebool boolean not null default true,
  create_date date not null default date '2026-01-01',
  active integer
);
create index idx_last_name on customer (last_name);
create table inventory (
  inventory_id serial primary key,
  film_id integer not null references film on update cascade on delete restrict,
  store_id integer not null references store on update cascade on delete restrict
);
create index idx_store_id_film_id on inventory (store_id, film_id);
create table rental (
  rental_id serial primary key,
  rental_date timestamptz not null,
  inventory_id integer not null references inventory on update cascade on delete restrict,
  customer_id integer not null references customer on update cascade on delete restrict,
  return_date timestamptz,
  staff_id integer not null references staff,
  unique (rental_date, inventory_id, customer_id)
);
create table payment (
  payment_id serial primary key,
  customer_id integer not null references customer,
  rental_id integer references rental on update cascade on delete set null,
  amount numeric(5, 2) not null
);
create trigger film_fulltext_trigger before insert or update on film for each row
  execute function tsvector_update_trigger('fulltext', 'pg_catalog.english', 'title', 'description');
create trigger last_updated before update on film for each row execute function touch();
create trigger last_updated before update on actor for each row execute function touch();
create view film_list as
  select f.film_id as fid, f.title, f.description, c.name as category, f.rental_rate as price, f.length, f.rated,
    joined(a.first_name || ' ' || a.last_name) as actors
  from category as c
  left join film_category as fc on c.category_id = fc.category_id
  left join film as f on fc.film_id = f.film_id
  join film_actor as fa on f.film_id = fa.film_id
  join actor as a on fa.actor_id = a.actor_id
  group by f.film_id, f.title, f.description, c.name, f.rental_rate, f.length, f.rated;
create view customer_list as
  select cu.customer_id as id, cu.first_name || ' ' || cu.last_name as name, ad.address, ad.phone,
    case when cu.activebool then 'active' else '' end as notes, cu.store_id as sid
  from customer as cu join address as ad using (address_id);
create view sales_by_film_category as
  select c.name as category, sum(p.amount) as total_sales
  from payment as p
  join rental as r on p.rental_id = r.rental_id
  join inventory as i on r.inventory_id = i.inventory_id
  join film as f on i.film_id = f.film_id
  join film_category as fc on f.film_id = fc.film_id
  join category as c on fc.category_id = c.category_id
  group by c.name;
create function film_in_stock(film integer, shop integer) returns bigint language sql
  as 'select count(*) from public.inventory where film_id = $1 and store_id = $2';
insert into language (name) values ('English'), ('Italian');
insert into actor (first_name, last_name) select 'A' || i, 'L' || i % 7 from generate_series(1, 30) as i;
insert into category (name) values ('Action'), ('Drama');
insert into film (title, description, year, language_id, rated, special_features)
  select 'Film ' || i, 'about number ' || i, 2000 + i % 20, 1 + i % 2, (array['G', 'PG', 'R'])[1 + i % 3]::rating, array['Trailers'] from generate_series(1, 200) as i;
insert into film_actor (actor_id, film_id) select 1 + i % 30, i from generate_series(1, 200) as i;
insert into film_category (film_id, category_id) select i, 1 + i % 2 from generate_series(1, 200) as i;
insert into address (address, district) select 'Street ' || i, 'D' from generate_series(1, 5) as i;
begin;
insert into store (manager_staff_id, address_id) values (1, 1);
insert into staff (first_name, address_id, store_id) values ('Mike', 2, 1);
commit;
insert into customer (store_id, first_name, last_name, address_id) select 1, 'F' || i, 'L' || i, 1 + i % 5 from generate_series(1, 100) as i;
insert into inventory (film_id, store_id) select 1 + i % 200, 1 from generate_series(1, 300) as i;
insert into rental (rental_date, inventory_id, customer_id, staff_id)
  select timestamptz '2026-01-01 00:00:00+00' + i * interval '1 hour', 1 + i % 300, 1 + i % 100, 1 from generate_series(1, 500) as i;
insert into payment (customer_id, rental_id, amount) select 1 + i % 100, i, i % 9 from generate_series(1, 500) as i;
