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
  order_key: string | null;
  plugin_name: string;
  settled_at: Timestamp | null;
  state: Generated<string>;
}

export interface DeliveryJobs {
  changed: Generated<number>;
  created_at: Generated<Timestamp>;
  created_by: string;
  cursor: Json | null;
  filter: Json;
  id: string;
  kind: string;
  looked: Generated<number>;
  plugin_name: string;
  state: Generated<string>;
  updated_at: Generated<Timestamp>;
}

export interface Events {
  created_at: Generated<Timestamp>;
  data: Json;
  id: string;
  name: string;
  source: string;
  traceparent: string | null;
}

export interface InstalledPlugins {
  config: Generated<Json>;
  enabled: Generated<boolean>;
  generation: Generated<number>;
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
  revision: Generated<number>;
  source: string;
  updated_at: Generated<Timestamp>;
  version: string;
}

export interface JobRuns {
  attempt: Generated<number>;
  created_at: Timestamp;
  due_at: Timestamp;
  ended_at: Timestamp | null;
  error: string | null;
  id: Generated<number>;
  job: string;
  lease_until: Timestamp | null;
  log: Json | null;
  owner: string | null;
  place: string | null;
  plugin_name: string;
  started_at: Timestamp | null;
  state: string;
  tick_at: Timestamp | null;
  trigger: string;
}

export interface Leases {
  ends_at: Timestamp;
  name: string;
  owner: string;
}

export interface Packages {
  archive: Buffer;
  created_at: Generated<Timestamp>;
  digest: string;
  size_bytes: number;
}

export interface PluginArrivals {
  begun_at: Generated<Timestamp>;
  keeps_data: boolean;
  owner: string | null;
  plugin_name: string;
}

export interface PluginBlobs {
  backend: string;
  bytes: Generated<number>;
  due_at: Generated<Timestamp>;
  key: string;
  names: Generated<number>;
  plugin_name: string;
  state: Generated<string>;
  tries: Generated<number>;
}

export interface PluginDatabases {
  changed_at: Generated<Timestamp>;
  created_at: Generated<Timestamp>;
  database: string;
  plugin_name: string;
  role: string;
}

export interface PluginFiles {
  blob: string;
  content_type: string;
  created_at: Generated<Timestamp>;
  metadata: Generated<Json>;
  path: string;
  plugin_name: string;
  sha256: string;
  size: number;
  updated_at: Generated<Timestamp>;
}

export interface PluginFilesUsage {
  bytes: Generated<number>;
  files: Generated<number>;
  max_bytes: number;
  max_files: number;
  plugin_name: string;
  unnamed_bytes: Generated<number>;
}

export interface PluginJobs {
  anchor_at: Timestamp;
  definition: Json;
  digest: string | null;
  fingerprint: string | null;
  last_duration_ms: number | null;
  last_error: string | null;
  last_run_at: Timestamp | null;
  name: string;
  paused_at: Timestamp | null;
  paused_by: string | null;
  plugin_name: string;
  ticked_at: Timestamp;
}

export interface PluginPauses {
  ends_at: Timestamp;
  owner: string;
  plugin_name: string;
}

export interface PluginPausesKept {
  plugin_name: string;
  replica: string;
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
  counted_at: Generated<Timestamp>;
  keys: Generated<number>;
  max_bytes: number;
  max_keys: number;
  plugin_name: string;
}

export interface PluginSubscriptions {
  concurrency: number | null;
  order_by: string | null;
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

export interface Replicas {
  address: string | null;
  behind: Generated<Json>;
  files_folder: string;
  home: string | null;
  id: string;
  seen_at: Generated<Timestamp>;
  started_at: Generated<Timestamp>;
  version: string;
}

export interface RestorePointFiles {
  blob: string;
  content_type: string;
  created_at: Timestamp;
  metadata: Json;
  path: string;
  point: number;
  sha256: string;
  size: number;
  updated_at: Timestamp;
}

export interface RestorePoints {
  config: Json;
  created_at: Generated<Timestamp>;
  database: string | null;
  grants: string[];
  id: Generated<number>;
  limits: Json;
  owner: string | null;
  package_digest: string;
  plugin_name: string;
  ready: Generated<boolean>;
  reason: string;
  source: string;
  version: string;
}

export interface RestorePointSecrets {
  key_id: string;
  name: string;
  point: number;
  sealed: Buffer;
}

export interface RestorePointStorage {
  expires_at: Timestamp | null;
  key: string;
  point: number;
  value: Json;
  version: number;
}

export interface SecretKey {
  key_id: string;
  only_row: Generated<boolean>;
  retired: Generated<string[]>;
  rotated_at: Timestamp | null;
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
  delivery_jobs: DeliveryJobs;
  events: Events;
  installed_plugins: InstalledPlugins;
  job_runs: JobRuns;
  leases: Leases;
  packages: Packages;
  plugin_arrivals: PluginArrivals;
  plugin_blobs: PluginBlobs;
  plugin_databases: PluginDatabases;
  plugin_files: PluginFiles;
  plugin_files_usage: PluginFilesUsage;
  plugin_jobs: PluginJobs;
  plugin_pauses: PluginPauses;
  plugin_pauses_kept: PluginPausesKept;
  plugin_permission_use: PluginPermissionUse;
  plugin_post_mortems: PluginPostMortems;
  plugin_secrets: PluginSecrets;
  plugin_storage: PluginStorage;
  plugin_storage_usage: PluginStorageUsage;
  plugin_subscriptions: PluginSubscriptions;
  plugin_switches: PluginSwitches;
  plugin_versions: PluginVersions;
  replicas: Replicas;
  restore_point_files: RestorePointFiles;
  restore_point_secrets: RestorePointSecrets;
  restore_point_storage: RestorePointStorage;
  restore_points: RestorePoints;
  secret_key: SecretKey;
  users: Users;
}
