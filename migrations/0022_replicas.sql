-- Several cores on one database: who they are, and how each learns what another has changed. The tables are the truth;
-- a notification on `streamspace_changes` only says where to look.
create table replicas (
  id uuid primary key,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  version text not null,
  -- Where it says that it is reached; null when it does not know.
  address text,
  -- Names the folder that it keeps plugins' files in: the same for all that share it.
  files_folder text not null,
  -- Names its data folder, which only one core holds at a time: whoever had it before is gone.
  home text,
  -- Plugins that it could not make as the tables say: by name the revision, what went wrong, and since when.
  behind jsonb not null default '{}'
);

-- What one core does at a time, for all. Gone when it is not kept in time, by this database's clock.
create table leases (
  name text primary key,
  owner uuid not null,
  ends_at timestamptz not null
);

-- While a plugin's database is exchanged its calls wait on every core; `ends_at` is moved on as long as that takes.
create table plugin_pauses (
  plugin_name text primary key,
  owner uuid not null,
  ends_at timestamptz not null
);
-- Cores on which nothing uses the database any more.
create table plugin_pauses_kept (
  plugin_name text not null references plugin_pauses (plugin_name) on delete cascade,
  replica uuid not null,
  primary key (plugin_name, replica)
);

-- Who prepares it: while that core lives, no other takes it for what a crash has left. Null: from before.
alter table plugin_arrivals add column owner uuid;
alter table restore_points add column owner uuid;

create sequence plugin_revisions;
alter table installed_plugins
  -- Of the last change of any kind; two changes never have the same.
  add column revision bigint not null default nextval('plugin_revisions'),
  -- Of the last change for which a plugin is loaded anew. Set to a later number, it has every core do so.
  add column generation bigint not null default 0;
update installed_plugins set generation = revision;

create function plugin_revised() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and (to_jsonb(new) - 'resting') = (to_jsonb(old) - 'resting') then
    return new;
  end if;
  new.revision := nextval('plugin_revisions');
  if tg_op = 'INSERT' or new.generation <> old.generation or
    (new.version, new.source, new.package_digest, new.enabled, new.grants, new.limits, new.own_process)
      is distinct from (old.version, old.source, old.package_digest, old.enabled, old.grants, old.limits, old.own_process)
    or new.quarantine_reason is distinct from old.quarantine_reason
  then
    new.generation := new.revision;
  end if;
  return new;
end $$;
create trigger installed_plugins_revised before insert or update on installed_plugins
  for each row execute function plugin_revised();

create function note_change(kind text, what text) returns void language sql as $$
  select pg_notify('streamspace_changes', kind || ':' || what)
$$;

create function note_plugin() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' and new.revision = old.revision then return null; end if;
  perform note_change('plugin', case when tg_op = 'DELETE' then old.name else new.name end);
  return null;
end $$;
create trigger installed_plugins_noted after insert or update or delete on installed_plugins
  for each row execute function note_plugin();

-- `tg_argv`: the kind of the hint.
create function note_plugin_row() returns trigger language plpgsql as $$
begin
  perform note_change(tg_argv[0], case when tg_op = 'DELETE' then old.plugin_name else new.plugin_name end);
  return null;
end $$;
create trigger plugin_switches_noted after insert or update or delete on plugin_switches
  for each row execute function note_plugin_row('switches');
create trigger plugin_databases_noted after insert or update or delete on plugin_databases
  for each row execute function note_plugin_row('database');
create trigger plugin_pauses_noted after insert or delete on plugin_pauses
  for each row execute function note_plugin_row('pause');
create trigger plugin_pauses_kept_noted after insert on plugin_pauses_kept
  for each row execute function note_plugin_row('paused');

create function note_user() returns trigger language plpgsql as $$
begin
  perform note_change('user', old.id::text);
  return null;
end $$;
create trigger users_noted_gone after delete on users for each row execute function note_user();
create trigger users_noted after update on users for each row
  when ((old.email, old.name, old.role, old.permissions, old.active, old.password_hash)
    is distinct from (new.email, new.name, new.role, new.permissions, new.active, new.password_hash))
  execute function note_user();

create function note_credential() returns trigger language plpgsql as $$
begin
  perform note_change('credential', old.id::text);
  return null;
end $$;
create trigger api_tokens_noted after delete on api_tokens for each row execute function note_credential();
create trigger auth_sessions_noted after delete on auth_sessions for each row
  when (old.expires_at > now()) execute function note_credential();

create function note_key() returns trigger language plpgsql as $$
begin
  perform note_change('key', '');
  return null;
end $$;
create trigger secret_key_noted after update on secret_key for each row execute function note_key();
