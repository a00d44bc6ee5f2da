-- The archive of every version that was ever installed from an upload, by its digest: in the database, so that each
-- replica reaches it and an install is one transaction.
create table packages (
  digest text primary key check (digest ~ '^[0-9a-f]{64}$'),
  archive bytea not null,
  size_bytes bigint not null,
  created_at timestamptz not null default now()
);

create table installed_plugins (
  id bigint generated always as identity primary key,
  name text not null unique check (name ~ '^[a-z][a-z0-9-]{2,62}$'),
  version text not null,
  source text not null check (source in ('builtin', 'folder', 'upload')),
  -- The package in `packages` (uploads) or of the folder as it was last read (builtin, folder).
  package_digest text not null,
  enabled boolean not null default false,
  config jsonb not null default '{}',
  grants text[] not null default '{}',
  limits jsonb not null default '{}',
  quarantine_reason text,
  installed_by uuid references users (id) on delete set null,
  installed_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table plugin_versions (
  id bigint generated always as identity primary key,
  plugin_name text not null references installed_plugins (name) on delete cascade,
  version text not null,
  package_digest text not null,
  manifest jsonb not null,
  created_at timestamptz not null default now(),
  unique (plugin_name, package_digest)
);

create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  -- Who did it: a user, a plugin, or the system itself.
  actor_kind text not null check (actor_kind in ('user', 'plugin', 'system')),
  actor text not null,
  action text not null,
  target text,
  detail jsonb not null default '{}'
);
create index audit_log_at on audit_log (at desc);
