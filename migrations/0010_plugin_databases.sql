-- Which database is a plugin's at the moment, and as which role it works there. No foreign key to installed_plugins:
-- uninstall with data=keep leaves these rows. No password: it is derived from the secret key (src/databases/passwords.ts).
create table plugin_databases (
  plugin_name text primary key,
  database text not null unique,
  role text not null unique,
  created_at timestamptz not null default now(),
  -- When it was pointed to the database that it names now.
  changed_at timestamptz not null default now()
);
