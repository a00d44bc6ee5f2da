-- One of everything that a plugin may have in its schema.
create type mood as enum ('sad', 'it''s "ok"', 'happy');
create type point3 as (x double precision, y numeric(10, 2), "Label ""q""" text collate "C");
create domain email as text collate "C" default 'a@b' not null check (value like '%@%') check (length(value) < 200);
create function plugin.float_diff(a double precision, b double precision) returns double precision
  immutable language sql as 'select a - b';
create type span as range (subtype = float8, subtype_diff = plugin.float_diff, multirange_type_name = spans);

create sequence ticket as integer increment by 5 minvalue 10 maxvalue 10000 start with 20 cache 3 cycle;
select nextval('ticket'), nextval('ticket');
create sequence untouched;

create function slug(text) returns text immutable language sql as $$ select lower(replace($1, ' ', '-')) $$;
create function slug(text, integer) returns text immutable language sql as $$ select left(slug($1), $2) $$;
create function next_ticket() returns integer language plpgsql as $$
begin
  -- calls what is found by the search path; 'quotes' and $dollars$ too
  return nextval('ticket');
end $$;
create procedure touch(inout n integer) language plpgsql as $$ begin n := n + 1; commit; end $$;

create table kinds (
  id smallserial primary key,
  code varchar(20) not null unique check (code in ('a', 'b', 'c')),
  mood mood not null default 'happy'
);
comment on table kinds is 'what''s "there"
over two lines';
comment on column kinds.code is 'short';

create table "Items ""quoted""
and more" (
  id bigint generated always as identity (start with 100 increment by 10) primary key,
  ref uuid not null default gen_random_uuid(),
  kind smallint not null references kinds on delete restrict deferrable initially deferred,
  parent bigint references "Items ""quoted""
and more" (id),
  title text not null,
  slug text generated always as (slug(title, 40)) stored,
  number integer default next_ticket(),
  mail email,
  place point3,
  feelings mood[] default '{sad}',
  during tstzrange,
  temperature span,
  amount numeric(20, 5),
  payload jsonb default '{"a": [1, 2, {"b": null}]}',
  bytes bytea,
  at timestamptz(3) default now(),
  gap interval,
  "weird \ column, with ; everything" text,
  exclude using gist (during with &&),
  constraint "positive ""amount""" check (amount > 0) not valid,
  constraint same unique nulls not distinct (ref, title)
) with (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_vacuum_scale_factor = 0.3);
alter table "Items ""quoted""
and more" alter column bytes set storage external, alter column title set compression pglz,
  alter column title set statistics 500, alter column title set (n_distinct = -0.5);

create index items_title on "Items ""quoted""
and more" using gin (payload jsonb_path_ops);
create unique index items_expr on "Items ""quoted""
and more" (lower(title) text_pattern_ops desc nulls last, (amount * 2)) include (kind) where amount > 5;
alter index items_expr alter column 1 set statistics 200;
comment on index items_expr is 'an index';
create statistics items_stats (dependencies, mcv) on kind, title from "Items ""quoted""
and more";
alter statistics items_stats set statistics 77;
alter table kinds replica identity full;
alter table kinds cluster on kinds_pkey;

-- Group by a primary key: the view needs it to be there.
create view totals with (security_barrier) as
  select k.*, count(i.id) as items, coalesce(sum(i.amount), 0) as amount
  from kinds k left join "Items ""quoted""
and more" i on i.kind = k.id group by k.id;
create view names (a, "b c") as select title, slug(title) from "Items ""quoted""
and more" with local check option;
alter view names alter column a set default 'from the view';
create materialized view summary with (fillfactor = 90) as select mood, sum(items) as items from totals group by mood;
create unique index summary_mood on summary (mood);
create materialized view never as select * from summary with no data;
comment on view totals is 'sums';
comment on materialized view summary is 'sums, kept';

-- Needs a row type of a view, and is needed by a table.
create function total_of(t totals) returns numeric stable language sql as $$ select t.amount $$;
create function atomically(n integer) returns setof kinds stable language sql
  begin atomic select * from kinds where id > n; end;

-- A check that looks into another table, which is filled later.
create function kind_known(smallint) returns boolean stable language sql as $$
  select exists (select from plugin.kinds where id = $1) $$;
create table aaa_checked (kind smallint check (kind_known(kind)));

create table history (id bigint, at date not null, what text default 'x', check (what <> ''), primary key (id, at))
  partition by range (at);
create table history_2025 partition of history for values from ('2025-01-01') to ('2026-01-01');
create table history_2026 (what text not null default 'other', gone integer, at date not null, id bigint not null,
  constraint history_what_check check (what <> ''));
alter table history_2026 drop column gone;
alter table history attach partition history_2026 for values from ('2026-01-01') to ('2027-01-01');
create table history_rest partition of history default partition by hash (id);
create table history_rest_0 partition of history_rest for values with (modulus 2, remainder 0);
create table history_rest_1 partition of history_rest for values with (modulus 2, remainder 1);
create index history_what on history (what);
create table history_notes (id bigint, at date, note text, foreign key (id, at) references history (id, at));

create table animals (id integer primary key, name text not null default 'none', legs integer check (legs >= 0));
create table birds (wings integer not null default 2, name text default 'bird') inherits (animals);
create table fish (check (legs = 0)) inherits (animals);
alter table fish alter column name drop default;

create unlogged table scratch (a integer);
create table nothing ();
create table ghost (a integer generated always as (7) stored);

create function audit() returns trigger language plpgsql as $$ begin raise exception 'a trigger fired'; end $$;
create trigger quiet before insert on kinds for each row when (new.code = 'zzz') execute function audit();
create trigger loud after insert or update of code on kinds for each statement execute function audit();
alter table kinds disable trigger loud;
create constraint trigger later after delete on kinds deferrable initially deferred for each row execute function audit();
alter table kinds enable always trigger later;
create trigger on_parts after insert on history for each row execute function audit();
alter table history disable trigger on_parts;
create trigger instead instead of insert on totals for each row execute function audit();
comment on trigger quiet on kinds is 'a trigger';
create rule no_delete as on delete to scratch do instead nothing;
create rule also as on insert to scratch do also select 1;
alter table scratch disable rule also;
create policy mine on kinds as restrictive for select to current_user using (code <> 'zzz');
create policy everyone on kinds for all to public using (true) with check (code <> 'yyy');
alter table kinds enable row level security;
alter table scratch force row level security;
comment on policy mine on kinds is 'a policy';
comment on constraint same on "Items ""quoted""
and more" is 'a constraint';
comment on type mood is 'a type';
comment on domain email is 'a domain';
comment on constraint email_check on domain email is 'a check of a domain';
comment on function slug(text) is 'a function';
comment on schema plugin is 'all of it';
comment on column point3.x is 'a part';
comment on statistics items_stats is 'statistics';

insert into kinds (code, mood) values ('a', 'sad'), ('b', 'it''s "ok"'), ('c', 'happy');
insert into "Items ""quoted""
and more" (kind, title, mail, place, feelings, during, temperature, amount, bytes, gap, "weird \ column, with ; everything")
  select 1 + n % 3, E'Title\t' || n || E'\n\\ ''q''', 'x' || n || '@y', row(n::float8, n / 3.0, null::text)::point3, array['sad', null]::mood[],
    tstzrange('2026-01-01'::timestamptz + n * interval '1 day', '2026-01-01'::timestamptz + (n + 1) * interval '1 day'),
    span(n, n + 0.5), 1 + n / 7.0, decode(md5(n::text), 'hex'), n * interval '1 month 3 seconds', case n % 3 when 0 then null when 1 then '' else '\N' end
  from generate_series(1, 200) as n;
insert into aaa_checked values (1), (2);
insert into history values (1, '2025-05-05', 'one'), (2, '2026-05-05', 'two'), (3, '2030-01-01', 'three'), (4, '2031-01-01', 'four');
insert into history_notes values (1, '2025-05-05', 'noted');
insert into animals values (1, 'dog', 4);
insert into birds values (2, default, 2, 2);
insert into fish values (3, 'cod', 0);
insert into scratch values (1);
insert into nothing default values;
insert into nothing default values;
insert into ghost default values;
refresh materialized view summary;
