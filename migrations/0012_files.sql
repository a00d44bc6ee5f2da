-- What files are made of. A blob is written once, under a key that is never used again, and does not change. Its row is
-- there before the backend hears of it and goes after the backend has let go of it: whatever a crash leaves is found here.
create table plugin_blobs (
  key text collate "C" primary key,
  -- Who pays for it. No foreign key: uninstall with data=keep leaves these rows.
  plugin_name text not null,
  -- Who keeps it: `local`, or `plugin:<name>`.
  backend text not null,
  -- While it is written: what is reserved for it.
  bytes bigint not null default 0,
  -- How many files and restore points have it; triggers count them.
  names integer not null default 0,
  -- 'writing': nobody may have it yet. 'doomed': it is being removed, nobody may have it any more.
  state text not null default 'writing' check (state in ('writing', 'kept', 'doomed')),
  -- When it may be removed as long as nobody has it; a blob that is being written, or is hard to remove, has it ahead.
  due_at timestamptz not null default now(),
  tries integer not null default 0
);
create index plugin_blobs_unnamed on plugin_blobs (due_at) where names = 0;

create table plugin_files (
  plugin_name text not null,
  path text collate "C" not null check (octet_length(path) between 1 and 1024),
  blob text collate "C" not null references plugin_blobs (key),
  size bigint not null,
  -- Of the content, in hexadecimal: the etag.
  sha256 text not null,
  content_type text not null,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (plugin_name, path)
);
create index plugin_files_by_blob on plugin_files (blob);

create table restore_point_files (
  point bigint not null references restore_points (id) on delete cascade,
  path text collate "C" not null,
  blob text collate "C" not null references plugin_blobs (key),
  size bigint not null,
  sha256 text not null,
  content_type text not null,
  metadata jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (point, path)
);
create index restore_point_files_by_blob on restore_point_files (blob);

-- What each plugin's files add up to, and how much they may. Every statement that changes the tables above locks this row
-- first: so writers of one plugin wait for each other in a row, and never in a circle.
create table plugin_files_usage (
  plugin_name text primary key,
  bytes bigint not null default 0,
  files bigint not null default 0,
  -- Bytes of blobs that are written at the moment, or that no file has any more and that are not removed yet.
  unnamed_bytes bigint not null default 0,
  max_bytes bigint not null,
  max_files bigint not null
);

-- Growth over the quota fails the statement with SQLSTATE SS001; shrinking always passes, and so does what comes back from
-- a restore point or a backup (`streamspace.unlimited_files`).
create function plugin_files_charge(plugin text, more_bytes bigint, more_files bigint) returns void language plpgsql as $$
declare
  now_used plugin_files_usage;
begin
  if more_bytes = 0 and more_files = 0 then return; end if;
  update plugin_files_usage set bytes = bytes + more_bytes, files = files + more_files
    where plugin_name = plugin returning * into now_used;
  if not found and more_files > 0 then
    raise exception 'the usage row of % is gone', plugin using errcode = 'serialization_failure';
  end if;
  if current_setting('streamspace.unlimited_files', true) = 'on' then return; end if;
  if more_bytes > 0 and now_used.bytes > now_used.max_bytes then
    raise exception 'over the quota of % bytes', now_used.max_bytes using errcode = 'SS001';
  end if;
  if more_files > 0 and now_used.files > now_used.max_files then
    raise exception 'over the quota of % files', now_used.max_files using errcode = 'SS001';
  end if;
end $$;

create function plugin_blobs_name(blob text, change bigint) returns void language plpgsql as $$
begin
  update plugin_blobs set names = names + change, due_at = case when names + change = 0 then now() else due_at end
    where key = blob and (change < 0 or state = 'kept');
  if not found then
    raise exception 'the blob % is being removed', blob using errcode = 'serialization_failure';
  end if;
end $$;

create function plugin_blobs_counted(names integer, state text, bytes bigint) returns bigint immutable language sql as $$
  select case when names = 0 and state <> 'doomed' then bytes else 0 end
$$;
create function plugin_blobs_charge(plugin text, more_bytes numeric) returns void language sql as $$
  update plugin_files_usage set unnamed_bytes = greatest(0, unnamed_bytes + more_bytes::bigint)
    where plugin_name = plugin and more_bytes <> 0
$$;

create function plugin_blobs_added() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_charge(plugin_name, sum(plugin_blobs_counted(names, state, bytes))) from added group by plugin_name;
  return null;
end $$;
create function plugin_blobs_changed() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_charge(plugin_name, sum(size))
    from (select plugin_name, plugin_blobs_counted(names, state, bytes) as size from added
          union all select plugin_name, -plugin_blobs_counted(names, state, bytes) from removed) as sizes
    group by plugin_name;
  return null;
end $$;
create function plugin_blobs_removed() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_charge(plugin_name, -sum(plugin_blobs_counted(names, state, bytes))) from removed
    group by plugin_name;
  return null;
end $$;
create trigger plugin_blobs_added after insert on plugin_blobs
  referencing new table as added for each statement execute function plugin_blobs_added();
create trigger plugin_blobs_changed after update on plugin_blobs
  referencing old table as removed new table as added for each statement execute function plugin_blobs_changed();
create trigger plugin_blobs_removed after delete on plugin_blobs
  referencing old table as removed for each statement execute function plugin_blobs_removed();

create function plugin_files_added() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_name(blob, names) from
    (select blob, count(*) as names from added group by blob order by blob) as named;
  perform plugin_files_charge(plugin_name, sum(size)::bigint, count(*)) from added group by plugin_name;
  return null;
end $$;
create function plugin_files_changed() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_name(blob, names) from
    (select blob, sum(name) as names from
      (select blob, 1 as name from added union all select blob, -1 from removed) as all_names
      group by blob having sum(name) <> 0 order by blob) as named;
  perform plugin_files_charge(plugin_name, sum(bytes)::bigint, 0)
    from (select plugin_name, size as bytes from added union all select plugin_name, -size from removed) as sizes
    group by plugin_name;
  return null;
end $$;
create function plugin_files_removed() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_name(blob, -names) from
    (select blob, count(*) as names from removed group by blob order by blob) as named;
  perform plugin_files_charge(plugin_name, -sum(size)::bigint, -count(*)) from removed group by plugin_name;
  return null;
end $$;
create trigger plugin_files_added after insert on plugin_files
  referencing new table as added for each statement execute function plugin_files_added();
create trigger plugin_files_changed after update on plugin_files
  referencing old table as removed new table as added for each statement execute function plugin_files_changed();
create trigger plugin_files_removed after delete on plugin_files
  referencing old table as removed for each statement execute function plugin_files_removed();

create function restore_point_files_added() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_name(blob, names) from
    (select blob, count(*) as names from added group by blob order by blob) as named;
  return null;
end $$;
create function restore_point_files_removed() returns trigger language plpgsql as $$
begin
  perform plugin_blobs_name(blob, -names) from
    (select blob, count(*) as names from removed group by blob order by blob) as named;
  return null;
end $$;
create trigger restore_point_files_added after insert on restore_point_files
  referencing new table as added for each statement execute function restore_point_files_added();
create trigger restore_point_files_removed after delete on restore_point_files
  referencing old table as removed for each statement execute function restore_point_files_removed();
