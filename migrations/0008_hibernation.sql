-- What a plugin had registered that hibernated when the core stopped: it is shown and woken at the next start without
-- being loaded for it. Written as the core stops and taken away as it starts, so that none outlives a crash.
alter table installed_plugins add column resting jsonb;
