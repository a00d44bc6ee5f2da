-- What a plugin was before a change of its version or its schema: rolled back to, it is that again. No foreign key to
-- installed_plugins: uninstall with data=keep leaves these rows.
create table restore_points (
  id bigint generated always as identity primary key,
  plugin_name text not null,
  reason text not null check (reason in ('upgrade', 'rollback', 'manual')),
  -- False until the change that it was made for is committed. A crash before that leaves it so, and the start removes it.
  ready boolean not null default false,
  version text not null,
  package_digest text not null,
  source text not null check (source in ('builtin', 'folder', 'upload')),
  config jsonb not null,
  grants text[] not null,
  limits jsonb not null,
  -- The plugin's database of then, closed; null when it had none.
  database text unique,
  created_at timestamptz not null default now()
);
create index restore_points_by_plugin on restore_points (plugin_name, id desc);

-- Its rows of plugin_storage.
create table restore_point_storage (
  point bigint not null references restore_points (id) on delete cascade,
  key text collate "C" not null,
  value jsonb not null,
  version bigint not null,
  expires_at timestamptz,
  primary key (point, key)
);

-- Its rows of plugin_secrets, sealed as they were: a rotation of the key seals these anew as well.
create table restore_point_secrets (
  point bigint not null references restore_points (id) on delete cascade,
  name text not null,
  sealed bytea not null,
  key_id text not null,
  primary key (point, name)
);
