// Generated from the migrated database by `bun run db:types`; do not edit.
import type { ColumnType } from "kysely";

export type Generated<T> = T extends ColumnType<infer S, infer I, infer U>
  ? ColumnType<S, I | undefined, U>
  : ColumnType<T, T | undefined, T>;

export type Json = JsonValue;

export type JsonArray = JsonValue[];

export type JsonObject = {
  [x: string]: JsonValue | undefined;
};

export type JsonPrimitive = boolean | number | string | null;

export type JsonValue = JsonArray | JsonObject | JsonPrimitive;

export type Timestamp = ColumnType<Date, Date | string, Date | string>;

export interface ApiTokens {
  created_at: Generated<Timestamp>;
  expires_at: Timestamp | null;
  id: Generated<string>;
  last_used_at: Timestamp | null;
  name: string;
  permissions: string[] | null;
  prefix: string;
  token_hash: Buffer;
  user_id: string;
}

export interface AuditLog {
  action: string;
  actor: string;
  actor_kind: string;
  at: Generated<Timestamp>;
  detail: Generated<Json>;
  id: Generated<number>;
  target: string | null;
}

export interface AuthSessions {
  created_at: Generated<Timestamp>;
  expires_at: Timestamp;
  id: Generated<string>;
  ip: string | null;
  last_seen_at: Generated<Timestamp>;
  token_hash: Buffer;
  user_agent: string | null;
  user_id: string;
}

export interface Deliveries {
  attempts: Generated<number>;
  claimed_by: string | null;
  created_at: Generated<Timestamp>;
  event_id: string;
  id: Generated<number>;
  last_error: string | null;
  next_attempt_at: Generated<Timestamp>;
  plugin_name: string;
  settled_at: Timestamp | null;
  state: Generated<string>;
}

export interface Events {
  created_at: Generated<Timestamp>;
  data: Json;
  id: string;
  name: string;
  source: string;
}

export interface InstalledPlugins {
  config: Generated<Json>;
  enabled: Generated<boolean>;
  grants: Generated<string[]>;
  id: Generated<number>;
  installed_at: Generated<Timestamp>;
  installed_by: string | null;
  limits: Generated<Json>;
  name: string;
  own_process: Generated<boolean>;
  package_digest: string;
  quarantine_reason: string | null;
  resting: Json | null;
  source: string;
  updated_at: Generated<Timestamp>;
  version: string;
}

export interface Packages {
  archive: Buffer;
  created_at: Generated<Timestamp>;
  digest: string;
  size_bytes: number;
}

export interface PluginJobs {
  definition: Json;
  last_duration_ms: number | null;
  last_error: string | null;
  last_run_at: Timestamp | null;
  name: string;
  plugin_name: string;
  ticked_at: Timestamp;
}

export interface PluginPermissionUse {
  first_used_at: Timestamp | null;
  granted_at: Timestamp | null;
  kind: string;
  last_refused_at: Timestamp | null;
  last_used_at: Timestamp | null;
  permission: string;
  plugin_name: string;
  refused: Generated<number>;
  uses: Generated<number>;
}

export interface PluginPostMortems {
  at: Timestamp;
  cause: string;
  detail: string;
  heap: Json;
  host: Json | null;
  id: Generated<number>;
  last_calls: Json;
  outcome: string;
  plugin_name: string;
  stack: string | null;
  under_way: Json;
  verdict: string;
  version: string;
}

export interface PluginSecrets {
  key_id: string;
  name: string;
  plugin_name: string;
  sealed: Buffer;
  updated_at: Generated<Timestamp>;
}

export interface PluginStorage {
  expires_at: Timestamp | null;
  key: string;
  plugin_name: string;
  size_bytes: Generated<number>;
  value: Json;
  version: Generated<number>;
}

export interface PluginStorageUsage {
  bytes: Generated<number>;
  keys: Generated<number>;
  max_bytes: number;
  max_keys: number;
  plugin_name: string;
}

export interface PluginSubscriptions {
  pattern: string;
  plugin_name: string;
}

export interface PluginSwitches {
  capability: string;
  off_at: Generated<Timestamp>;
  off_by: string | null;
  plugin_name: string;
  reason: string | null;
}

export interface PluginVersions {
  created_at: Generated<Timestamp>;
  id: Generated<number>;
  manifest: Json;
  package_digest: string;
  plugin_name: string;
  version: string;
}

export interface Users {
  active: Generated<boolean>;
  created_at: Generated<Timestamp>;
  email: string;
  id: Generated<string>;
  last_login_at: Timestamp | null;
  name: string;
  password_hash: string | null;
  permissions: Generated<string[]>;
  role: Generated<string>;
  updated_at: Generated<Timestamp>;
}

export interface DB {
  api_tokens: ApiTokens;
  audit_log: AuditLog;
  auth_sessions: AuthSessions;
  deliveries: Deliveries;
  events: Events;
  installed_plugins: InstalledPlugins;
  packages: Packages;
  plugin_jobs: PluginJobs;
  plugin_permission_use: PluginPermissionUse;
  plugin_post_mortems: PluginPostMortems;
  plugin_secrets: PluginSecrets;
  plugin_storage: PluginStorage;
  plugin_storage_usage: PluginStorageUsage;
  plugin_subscriptions: PluginSubscriptions;
  plugin_switches: PluginSwitches;
  plugin_versions: PluginVersions;
  users: Users;
}
