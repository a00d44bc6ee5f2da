-- What was known when a plugin lost its isolate: one row a kill, the newest few of each plugin (src/post-mortems/limits.ts).
create table plugin_post_mortems (
  id bigint generated always as identity primary key,
  plugin_name text not null references installed_plugins (name) on delete cascade,
  version text not null,
  at timestamptz not null,
  cause text not null,
  verdict text not null check (verdict in ('culprit', 'suspect')),
  outcome text not null check (outcome in ('reloaded', 'quarantined', 'replaced', 'dropped')),
  detail text not null,
  -- { pid, placement, rssBytes }, as far as it is known.
  host jsonb,
  -- [{ what, ms }]
  under_way jsonb not null,
  -- [{ call, permission, at, ms, outcome }], the oldest first; never what was passed or answered.
  last_calls jsonb not null,
  -- { usedBytes, limitBytes, cpuMs }
  heap jsonb not null,
  stack text -- in the plugin's own files and lines
);
create index plugin_post_mortems_by_plugin on plugin_post_mortems (plugin_name, id desc);
create index plugin_post_mortems_by_time on plugin_post_mortems (at);
