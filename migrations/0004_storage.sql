-- Versions come from one sequence, so that a key that was deleted and made again never shows an old version.
create sequence plugin_storage_version as bigint;

-- No foreign key to installed_plugins: uninstall with data=keep leaves these rows.
create table plugin_storage (
  plugin_name text not null,
  key text collate "C" not null check (octet_length(key) between 1 and 512),
  value jsonb not null,
  version bigint not null default nextval('plugin_storage_version'),
  -- Absent to every reader from then on; the sweeper removes the row later.
  expires_at timestamptz,
  size_bytes integer not null generated always as (octet_length(key) + octet_length(value::text)) stored,
  primary key (plugin_name, key),
  -- Postgres prints 1e308 with 309 digits: what was 256 KiB when it came must not be 13 MiB when it is read.
  constraint plugin_storage_size check (size_bytes <= 1048576)
);
create index plugin_storage_expiring on plugin_storage (expires_at) where expires_at is not null;

-- What each plugin's rows add up to, and how much they may.
create table plugin_storage_usage (
  plugin_name text primary key,
  bytes bigint not null default 0,
  keys bigint not null default 0,
  max_bytes bigint not null,
  max_keys bigint not null
);

-- The row of plugin_storage_usage is locked only by writes that change a size, and last of all, so that writers of one
-- plugin wait for each other no longer than the end of a statement and never in a circle. Growth over the quota fails
-- the statement with SQLSTATE SS001; shrinking always passes.
create function plugin_storage_charge(plugin text, more_bytes bigint, more_keys bigint) returns void language plpgsql as $$
declare
  now_used plugin_storage_usage;
begin
  if more_bytes = 0 and more_keys = 0 then return; end if;
  update plugin_storage_usage set bytes = bytes + more_bytes, keys = keys + more_keys
    where plugin_name = plugin returning * into now_used;
  if not found and more_keys > 0 then
    -- The plugin's data was dropped while the write was under way: it is tried once more.
    raise exception 'the usage row of % is gone', plugin using errcode = 'serialization_failure';
  end if;
  if more_bytes > 0 and now_used.bytes > now_used.max_bytes then
    raise exception 'over the quota of % bytes', now_used.max_bytes using errcode = 'SS001';
  end if;
  if more_keys > 0 and now_used.keys > now_used.max_keys then
    raise exception 'over the quota of % keys', now_used.max_keys using errcode = 'SS001';
  end if;
end $$;

create function plugin_storage_added() returns trigger language plpgsql as $$
begin
  perform plugin_storage_charge(plugin_name, sum(size_bytes)::bigint, count(*)) from added group by plugin_name;
  return null;
end $$;
create function plugin_storage_changed() returns trigger language plpgsql as $$
begin
  perform plugin_storage_charge(plugin_name, sum(size)::bigint, 0)
    from (select plugin_name, size_bytes as size from added
          union all select plugin_name, -size_bytes from removed) as sizes
    group by plugin_name;
  return null;
end $$;
create function plugin_storage_removed() returns trigger language plpgsql as $$
begin
  perform plugin_storage_charge(plugin_name, -sum(size_bytes)::bigint, -count(*)) from removed group by plugin_name;
  return null;
end $$;
create trigger plugin_storage_added after insert on plugin_storage
  referencing new table as added for each statement execute function plugin_storage_added();
create trigger plugin_storage_changed after update on plugin_storage
  referencing old table as removed new table as added for each statement execute function plugin_storage_changed();
create trigger plugin_storage_removed after delete on plugin_storage
  referencing old table as removed for each statement execute function plugin_storage_removed();

-- Sensitive config values, sealed by src/secrets/envelope.ts. No foreign key, as above.
create table plugin_secrets (
  plugin_name text not null,
  -- The config field, dotted when nested.
  name text not null,
  sealed bytea not null,
  -- Which key sealed it: tells a wrong key from damaged data.
  key_id text not null,
  updated_at timestamptz not null default now(),
  primary key (plugin_name, name)
);
