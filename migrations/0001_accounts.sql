create table users (
  id uuid primary key default gen_random_uuid(),
  email text not null check (email = btrim(email) and length(email) between 3 and 254),
  name text not null check (length(name) <= 200),
  -- Null: the user signs in through a provider only.
  password_hash text,
  role text not null default 'user' check (role in ('admin', 'user')),
  -- Granted to this user beyond those of the role.
  permissions text[] not null default '{}',
  active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_login_at timestamptz
);
create unique index users_email on users (lower(email));

-- Signed-in browsers and bearers; the token itself is never stored. The CSRF token derives from it.
create table auth_sessions (
  token_hash bytea primary key check (length(token_hash) = 32),
  -- Names the session where the hash must not show.
  id uuid not null unique default gen_random_uuid(),
  user_id uuid not null references users (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_seen_at timestamptz not null default now(),
  user_agent text,
  ip text
);
create index auth_sessions_by_user on auth_sessions (user_id);
create index auth_sessions_expiry on auth_sessions (expires_at);

create table api_tokens (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references users (id) on delete cascade,
  name text not null check (length(name) between 1 and 100),
  token_hash bytea not null unique check (length(token_hash) = 32),
  -- The first characters, by which its owner tells it from others.
  prefix text not null,
  -- Null: all that the user may do.
  permissions text[],
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz
);
create index api_tokens_by_user on api_tokens (user_id, created_at);
