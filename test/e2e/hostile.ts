/** A schema before pg_catalog that has its own idea of everything, as compatibility layers have. */

/** For a `search_path`: `oracle, pg_catalog, public` is what such a layer recommends. */
export const hostilePath = 'compat, pg_catalog, public';

/** Its bodies say where their own names are from. */
export const hostileSchema = `
  create schema compat;
  grant usage on schema compat to public;
  create function compat.lower(pg_catalog.text) returns pg_catalog.text immutable language sql
    as $$ select pg_catalog.concat('compat ', pg_catalog.upper($1)) $$;
  create function compat.upper(pg_catalog.text) returns pg_catalog.text immutable language sql
    as $$ select 'compat' $$;
  create function compat.length(pg_catalog.text) returns integer immutable language sql as $$ select -1 $$;
  create function compat.now() returns timestamptz stable language sql as $$ select timestamptz '1999-01-01 00:00:00+00' $$;
  create function compat.array_length(integer[], integer) returns integer immutable language sql as $$ select -7 $$;
  create function compat.quote_ident(pg_catalog.text) returns pg_catalog.text immutable language sql as $$ select 'compat' $$;
  create function compat.current_setting(pg_catalog.text) returns pg_catalog.text stable language sql as $$ select 'compat' $$;
  create function compat.set_config(pg_catalog.text, pg_catalog.text, boolean) returns pg_catalog.text language sql as $$ select 'compat' $$;
  create function compat.format_type(oid, integer) returns pg_catalog.text language sql as $$ select 'compat' $$;
  create function compat.to_regclass(pg_catalog.text) returns regclass language sql as $$ select null::regclass $$;
  create function compat.pg_get_userbyid(oid) returns pg_catalog.text language sql as $$ select 'compat' $$;
  create function compat.pg_try_advisory_lock(integer, integer) returns boolean language sql as $$ select false $$;
  create function compat.pg_relation_filenode(regclass) returns oid language sql as $$ select 1::oid $$;
  create function compat.clock_timestamp() returns timestamptz language sql as $$ select timestamptz 'epoch' $$;
  create function compat.hashint8extended(bigint, bigint) returns bigint language sql as $$ select 0::bigint $$;
  create function compat.plus_one(bigint) returns bigint immutable language sql as $$ select 1::bigint $$;
  create aggregate compat.count(*) (sfunc = compat.plus_one, stype = bigint, initcond = '0');
  create function compat.no(pg_catalog.text, pg_catalog.text) returns boolean immutable language sql as $$ select false $$;
  create function compat.no(name, name) returns boolean immutable language sql as $$ select false $$;
  create function compat.no(name, pg_catalog.text) returns boolean immutable language sql as $$ select false $$;
  create function compat.no(oid, oid) returns boolean immutable language sql as $$ select false $$;
  create function compat.no(bigint, bigint) returns boolean immutable language sql as $$ select false $$;
  create function compat.no(integer, integer) returns boolean immutable language sql as $$ select false $$;
  create function compat.no("char", "char") returns boolean immutable language sql as $$ select false $$;
  create function compat.no(pg_catalog.tid, pg_catalog.tid) returns boolean immutable language sql as $$ select false $$;
  create function compat.plus(integer, integer) returns integer immutable language sql as $$ select 0 $$;
  create operator compat.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = compat.no);
  create operator compat.= (leftarg = name, rightarg = name, function = compat.no);
  create operator compat.= (leftarg = name, rightarg = pg_catalog.text, function = compat.no);
  create operator compat.= (leftarg = oid, rightarg = oid, function = compat.no);
  create operator compat.= (leftarg = bigint, rightarg = bigint, function = compat.no);
  create operator compat.= (leftarg = integer, rightarg = integer, function = compat.no);
  create operator compat.= (leftarg = "char", rightarg = "char", function = compat.no);
  create operator compat.= (leftarg = pg_catalog.tid, rightarg = pg_catalog.tid, function = compat.no);
  create operator compat.>= (leftarg = pg_catalog.tid, rightarg = pg_catalog.tid, function = compat.no);
  create operator compat.< (leftarg = pg_catalog.tid, rightarg = pg_catalog.tid, function = compat.no);
  create operator compat.+ (leftarg = integer, rightarg = integer, function = compat.plus);
  create domain compat.date as pg_catalog.text check (false);
  create domain compat.text as pg_catalog.text check (false);
  create domain compat.tid as pg_catalog.tid check (false);
  create domain compat.jsonb as pg_catalog.text check (false);
`;
