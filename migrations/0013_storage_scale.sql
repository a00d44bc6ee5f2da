-- Expired rows are swept plugin by plugin: a sweep then locks one usage row, and one that makes room for a plugin reads no
-- others.
create index plugin_storage_expiring_by_plugin on plugin_storage (plugin_name, expires_at) where expires_at is not null;
drop index plugin_storage_expiring;

-- When the plugin's rows were last added up to see whether bytes and keys are right.
alter table plugin_storage_usage add column counted_at timestamptz not null default now();
