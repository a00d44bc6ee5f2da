-- Plugins whose first install is under way: what its `onLoad` keeps before it is installed is found here after a crash.
create table plugin_arrivals (
  plugin_name text primary key,
  -- There was data of an earlier install, which stays whatever comes of this one.
  keeps_data boolean not null,
  begun_at timestamptz not null default now()
);
