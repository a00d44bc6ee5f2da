-- An event is written in the transaction of the change that caused it; `source` is 'core' or the plugin that emitted it.
create table events (
  id uuid primary key, -- UUIDv7, made by the core: its order is the order of time
  name text not null,
  data jsonb not null,
  source text not null,
  created_at timestamptz not null default now()
);
create index events_by_name on events (name text_pattern_ops, id desc);
create index events_by_time on events (created_at);

create table plugin_subscriptions (
  plugin_name text not null references installed_plugins (name) on delete cascade,
  -- An exact name, `prefix.*` (any depth below), or `*`.
  pattern text not null,
  primary key (pattern, plugin_name)
);
create index plugin_subscriptions_by_plugin on plugin_subscriptions (plugin_name);

create table deliveries (
  id bigint generated always as identity primary key,
  event_id uuid not null references events (id) on delete cascade,
  -- No foreign key: its check would fail a user's request whose event meets a plugin that is just being uninstalled.
  plugin_name text not null,
  state text not null default 'pending' check (state in ('pending', 'done', 'dead')),
  -- Attempts begun: counted when claimed, so that an event that kills the core is not tried for ever.
  attempts integer not null default 0,
  -- When it may be tried; while a dispatcher holds it (claimed_by), the end of that lease.
  next_attempt_at timestamptz not null default now(),
  claimed_by uuid,
  last_error text,
  created_at timestamptz not null default now(),
  settled_at timestamptz, -- when it became done or dead
  unique (event_id, plugin_name)
);
create index deliveries_due on deliveries (plugin_name, next_attempt_at, id) where state = 'pending';
create index deliveries_by_plugin on deliveries (plugin_name, state, id desc);
create index deliveries_settled on deliveries (state, settled_at) where state <> 'pending';

create function drop_deliveries_of_plugin() returns trigger language plpgsql as $$
begin
  delete from deliveries where plugin_name = old.name;
  return null;
end $$;
create trigger installed_plugins_drop_deliveries after delete on installed_plugins
  for each row execute function drop_deliveries_of_plugin();

create table plugin_jobs (
  plugin_name text not null references installed_plugins (name) on delete cascade,
  name text not null,
  definition jsonb not null,
  -- Ticks up to here are accounted for: run, skipped, or before the job existed.
  ticked_at timestamptz not null,
  last_run_at timestamptz,
  last_duration_ms integer,
  last_error text,
  primary key (plugin_name, name)
);
