-- Plugins that an admin gives a process of their own.
alter table installed_plugins add column own_process boolean not null default false;
