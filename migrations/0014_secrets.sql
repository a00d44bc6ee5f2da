-- Which key seals the secrets: one row. Whoever writes a sealed value reads it `for share` first and keeps that lock to
-- the end of the transaction; a rotation takes it `for update`. So the commit of a rotation is the moment of the change.
create table secret_key (
  only_row boolean primary key default true check (only_row),
  key_id text not null,
  -- Ids of earlier keys; nothing is sealed with one of them again.
  retired text[] not null default '{}',
  -- When it took over from another; null for the first.
  rotated_at timestamptz
);

-- An instance from before has sealed with one key only.
insert into secret_key (key_id) select key_id from plugin_secrets group by key_id order by count(*) desc limit 1;
