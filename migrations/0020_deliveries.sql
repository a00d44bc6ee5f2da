-- Deliveries in order and few at a time, bulk work on them, and what that costs when a million wait.

-- Path below the event's data (`session.id`): deliveries with the same value there come one after the other.
alter table plugin_subscriptions add column order_by text;
-- The most deliveries of the plugin at a time, over all cores; the smallest of its subscriptions counts.
alter table plugin_subscriptions add column concurrency integer check (concurrency between 1 and 64);

-- Null: in no order. What waits behind another of its key sleeps with `next_attempt_at` 'infinity', until it is woken.
alter table deliveries add column order_key text;
create index deliveries_keyed on deliveries (plugin_name, order_key, id)
  where state = 'pending' and order_key is not null;
create index deliveries_held on deliveries (plugin_name, order_key) where claimed_by is not null;

-- Replays go through a time range page by page.
drop index events_by_time;
create index events_by_time on events (created_at, id);

-- Work on many deliveries of a plugin, done batch by batch, by whichever core comes first.
create table delivery_jobs (
  id uuid primary key,
  plugin_name text not null references installed_plugins (name) on delete cascade,
  kind text not null check (kind in ('replay', 'redeliver', 'drop')),
  filter jsonb not null,
  state text not null default 'running' check (state in ('running', 'done', 'cancelled')),
  -- Where the next batch begins.
  cursor jsonb,
  looked bigint not null default 0,
  changed bigint not null default 0,
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index delivery_jobs_by_plugin on delivery_jobs (plugin_name, created_at desc);
create index delivery_jobs_running on delivery_jobs (updated_at) where state = 'running';

-- Who ends deliveries with keys or claims such holds the plugins' locks until it commits, and takes them before it looks:
-- so none is put to sleep by one and missed by the other. In one order everywhere, so that no two wait for each other.
create function lock_queues(plugins text[]) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(20, q.n)
  from (select distinct hashtext(p) as n from unnest(plugins) as p order by 1) q;
end $$;

-- The value of `path` in an event's data as a key; null when there is none. Long ones by their digest: an index entry
-- holds 2,700 bytes.
create function order_key_of(data jsonb, path text) returns text language sql immutable as $$
  select case when length(v) > 200 then 'md5:' || md5(v) else v end
  from (select data #>> string_to_array(path, '.')) as value(v)
$$;

-- Whether a subscription's pattern matches an event's name, as patterns.ts has it.
create function pattern_covers(pattern text, name text) returns boolean language sql immutable as $$
  select pattern = '*' or pattern = name or right(pattern, 2) = '.*' and name ^@ left(pattern, -1)
$$;

-- Wakes the first of each key (`plugins[i]`, `keys[i]`). Under the plugins' locks.
create function wake_keys(plugins text[], keys text[]) returns void language plpgsql
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
begin
  update deliveries d set next_attempt_at = clock_timestamp()
  from (select distinct p, k from unnest(plugins, keys) as u(p, k)) as wanted
  cross join lateral (
    select id from deliveries
    where plugin_name = wanted.p and order_key = wanted.k and state = 'pending'
    order by id limit 1
  ) first
  where d.id = first.id and d.next_attempt_at = 'infinity';
end $$;

-- Ends deliveries that are pending: `outcome` is done, dead or dropped. With `fence`, only what that owner still holds at
-- that attempt. It is the turn of the next of their keys then. Answers how many ended.
create function end_deliveries(ids bigint[], outcome text, error text, fence uuid, fence_attempt integer)
returns integer language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
  keyed text[];
  keyed_plugins text[];
  n integer;
begin
  keyed := array(select d.plugin_name from deliveries d where d.id = any(ids) and d.order_key is not null);
  if cardinality(keyed) > 0 then perform lock_queues(keyed); end if;
  if outcome = 'dropped' then
    with ended as (delete from deliveries d where d.id = any(ids) returning d.plugin_name, d.order_key)
    select count(*), array_agg(e.plugin_name) filter (where e.order_key is not null),
      array_agg(e.order_key) filter (where e.order_key is not null)
    into n, keyed_plugins, keyed from ended e;
  else
    with ended as (
      update deliveries d
      set state = outcome, last_error = coalesce(error, d.last_error), settled_at = clock_timestamp(), claimed_by = null
      where d.id = any(ids) and d.state = 'pending'
        and (fence is null or d.claimed_by = fence and d.attempts = fence_attempt)
      returning d.plugin_name, d.order_key
    )
    select count(*), array_agg(e.plugin_name) filter (where e.order_key is not null),
      array_agg(e.order_key) filter (where e.order_key is not null)
    into n, keyed_plugins, keyed from ended e;
  end if;
  if keyed_plugins is not null then perform wake_keys(keyed_plugins, keyed); end if;
  return n;
end $$;

-- How far each plugin (or one) is behind; counted up to `most`, along the indexes.
create function delivery_lags(one text, most integer)
returns table (name text, pending integer, dead integer, lag_seconds float8)
language sql stable set enable_seqscan = off as $$
  select p.name,
    (select count(*) from (
      select from deliveries d where d.plugin_name = p.name and d.state = 'pending' limit most
    ) as counted)::integer,
    (select count(*) from (
      select from deliveries d where d.plugin_name = p.name and d.state = 'dead' limit most
    ) as counted)::integer,
    coalesce(extract(epoch from clock_timestamp() - (
      select d.created_at from deliveries d
      where d.plugin_name = p.name and d.state = 'pending' order by d.id limit 1
    ))::float8, 0)
  from installed_plugins p where one is null or p.name = one
$$;

-- Claims up to `slots[i]` due deliveries of `plugins[i]`, oldest first. From plugins that use keys or `concurrency` one
-- core claims at a time. Of each key the first that is pending is claimed, when none of the key is held; others of the
-- key that are due are put to sleep, so that a long row of them is looked at once.
create function claim_deliveries(owner uuid, plugins text[], slots integer[], lease interval)
returns table (delivery bigint, plugin text, attempt integer, key text, id uuid, name text, data jsonb, at timestamptz)
language plpgsql set plan_cache_mode = force_generic_plan
-- Along the indexes, in their order: before the server knows how many rows there are it would rather sort them all.
set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off as $$
#variable_conflict use_column
declare
  careful text[];
  claimed bigint[] := '{}';
  looked bigint[];
  chosen bigint[];
  one text;
  free integer;
begin
  -- A claim that a crash of the server forgets is made again: no need to wait for the disk.
  perform set_config('synchronous_commit', 'off', true);
  careful := array(
    select w.p from unnest(plugins) as w(p)
    where exists (select from plugin_subscriptions s where s.plugin_name = w.p and s.concurrency is not null)
      -- In the order of the index of keys, or another might be searched for what it does not have.
      or (
        select d.order_key from deliveries d
        where d.plugin_name = w.p and d.state = 'pending' and d.order_key is not null
        order by d.order_key limit 1
      ) is not null
  );

  if cardinality(careful) < cardinality(plugins) then
    claimed := array(
      select d.id from unnest(plugins, slots) as w(p, n)
      cross join lateral (
        select d.id from deliveries d
        where d.plugin_name = w.p and d.state = 'pending' and d.next_attempt_at <= clock_timestamp()
          and d.order_key is null
        order by d.next_attempt_at, d.id limit w.n
        for update skip locked
      ) d
      where w.p <> all(careful)
    );
  end if;

  if cardinality(careful) > 0 then
    perform lock_queues(careful);
    for one, free in select w.p, w.n from unnest(plugins, slots) as w(p, n) where w.p = any(careful) loop
      select least(free, min(s.concurrency) - (
        select count(*)::integer from deliveries d
        where d.plugin_name = one and d.claimed_by is not null and d.next_attempt_at > clock_timestamp()
      )) into free
      from plugin_subscriptions s where s.plugin_name = one;
      -- Bounded: what is left over is looked at by the next claim.
      for look in 1..20 loop
        exit when free <= 0;
        looked := array(
          select d.id from deliveries d
          where d.plugin_name = one and d.state = 'pending' and d.next_attempt_at <= clock_timestamp()
            and d.id <> all(claimed)
          order by d.next_attempt_at, d.id limit free + 100
          for update skip locked
        );
        exit when cardinality(looked) = 0;
        chosen := array(
          with due as materialized (
            select d.id, d.order_key, d.next_attempt_at from deliveries d where d.id = any(looked)
          ), firsts as (
            select f.id, k.since
            from (
              select d.order_key, min(d.next_attempt_at) as since from due d
              where d.order_key is not null group by d.order_key
            ) k
            cross join lateral (
              select d.id, d.next_attempt_at from deliveries d
              where d.plugin_name = one and d.order_key = k.order_key and d.state = 'pending'
              order by d.id limit 1
            ) f
            where (f.next_attempt_at <= clock_timestamp() or f.next_attempt_at = 'infinity')
              and not exists (
                select from deliveries h
                where h.plugin_name = one and h.order_key = k.order_key
                  and h.claimed_by is not null and h.next_attempt_at > clock_timestamp()
              )
              and not exists (
                select from deliveries h where h.id = any(claimed) and h.order_key = k.order_key and h.plugin_name = one
              )
          ), runnable as (
            select d.id, d.next_attempt_at as since from due d where d.order_key is null
            union all select f.id, f.since from firsts f
          )
          select d.id from deliveries d
          join (select r.id from runnable r order by r.since, r.id limit free) r on r.id = d.id
          for update of d skip locked
        );
        claimed := claimed || chosen;
        free := free - cardinality(chosen);
        update deliveries d set next_attempt_at = 'infinity', claimed_by = null
        where d.id = any(looked) and d.id <> all(chosen) and d.order_key is not null
          and (
            exists (
              select from deliveries e
              where e.plugin_name = one and e.order_key = d.order_key and e.state = 'pending' and e.id < d.id
            ) or exists (
              select from deliveries h
              where h.plugin_name = one and h.order_key = d.order_key
                and h.claimed_by is not null and h.next_attempt_at > clock_timestamp()
            )
          );
        exit when not found and cardinality(chosen) = 0;
      end loop;
    end loop;
  end if;

  return query
    with taken as (
      update deliveries d
      set claimed_by = owner, attempts = d.attempts + 1, next_attempt_at = clock_timestamp() + lease
      where d.id = any(claimed)
      returning d.id, d.plugin_name, d.attempts, d.order_key, d.event_id
    )
    select t.id, t.plugin_name, t.attempts, t.order_key, e.id, e.name, e.data, e.created_at
    from taken t join events e on e.id = t.event_id
    order by t.id;
end $$;
