-- Capabilities (rooms) that an admin cut off from a plugin. No row: on.
create table plugin_switches (
  plugin_name text not null references installed_plugins (name) on delete cascade,
  capability text not null,
  off_at timestamptz not null default now(),
  off_by uuid references users (id) on delete set null,
  reason text check (length(reason) <= 500),
  primary key (plugin_name, capability)
);

-- How often each permission and each capability of a plugin was used and refused. Written in batches; what is counted
-- under `capability` is every call into that room, whether it needs a permission or not.
create table plugin_permission_use (
  plugin_name text not null references installed_plugins (name) on delete cascade,
  kind text not null check (kind in ('permission', 'capability')),
  permission text not null,
  -- Since when the permission is granted; null while it is not.
  granted_at timestamptz,
  uses bigint not null default 0,
  first_used_at timestamptz,
  last_used_at timestamptz,
  refused bigint not null default 0,
  last_refused_at timestamptz,
  primary key (plugin_name, kind, permission)
);

-- Grants change in many ways (install, upgrade, a folder's own wishes): the table that holds them says when.
create function plugin_grants_noted() returns trigger language plpgsql as $$
begin
  update plugin_permission_use set granted_at = null
    where plugin_name = new.name and granted_at is not null and permission <> all (new.grants);
  insert into plugin_permission_use as known (plugin_name, kind, permission, granted_at)
    select distinct new.name, 'permission', granted, now() from unnest(new.grants) as granted
    on conflict (plugin_name, kind, permission) do update set granted_at = excluded.granted_at
      where known.granted_at is null;
  return null;
end $$;
create trigger installed_plugins_note_grants after insert or update of grants on installed_plugins
  for each row execute function plugin_grants_noted();

-- Of plugins that are there already, no grant is younger than the last change.
insert into plugin_permission_use (plugin_name, kind, permission, granted_at)
  select distinct name, 'permission', granted, updated_at from installed_plugins, unnest(grants) as granted;
