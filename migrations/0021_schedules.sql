-- Each tick of a job is one row, whichever core makes it first; Postgres' clock says what is due and whose lease is over.
alter table plugin_jobs
  -- Of the package that registered it, and of what it registered: null while the plugin is off (the row says it is paused).
  add column digest text,
  add column fingerprint text,
  -- A tick of an interval, from which the others count: the same on every core.
  add column anchor_at timestamptz,
  add column paused_at timestamptz,
  add column paused_by text;
update plugin_jobs set digest = '', fingerprint = '', anchor_at = ticked_at;
alter table plugin_jobs alter column anchor_at set not null;

-- What sleeping plugins had registered: their jobs said less then. They are loaded anew with the next start.
update installed_plugins set resting = null;

create table job_runs (
  id bigint generated always as identity primary key,
  plugin_name text not null references installed_plugins (name) on delete cascade,
  job text not null,
  tick_at timestamptz, -- null: an admin asked for it
  attempt smallint not null default 1,
  trigger text not null check (trigger in ('tick', 'catch-up', 'manual')),
  state text not null check (state in ('queued', 'running', 'ok', 'failed', 'skipped', 'lost', 'aborted')),
  due_at timestamptz not null, -- when it may begin
  created_at timestamptz not null,
  owner uuid, -- the core that runs it, until lease_until unless it is kept
  lease_until timestamptz,
  started_at timestamptz,
  ended_at timestamptz,
  error text,
  place text, -- file, line and column of what was thrown
  log jsonb, -- lines of the plugin's log in that time
  unique (plugin_name, job, tick_at, attempt)
);
create index job_runs_by_job on job_runs (plugin_name, job, id desc);
create index job_runs_live on job_runs (plugin_name, job) where state in ('queued', 'running');
create index job_runs_leases on job_runs (lease_until) where state = 'running';
create index job_runs_waiting on job_runs (due_at) where state = 'queued';

-- Locks the job; null unless it is what the asking core has, of the version that is installed now.
create function hold_job(p_plugin text, p_job text, p_digest text, p_fingerprint text) returns plugin_jobs
language plpgsql as $$
declare kept plugin_jobs;
begin
  select * into kept from plugin_jobs
    where plugin_name = p_plugin and name = p_job and digest = p_digest and fingerprint = p_fingerprint for update;
  if not found or not exists (
    select from installed_plugins where name = p_plugin and enabled and package_digest = p_digest
  ) then
    return null;
  end if;
  return kept;
end $$;

-- Makes the run of a tick (null: one by hand), for the core that asks first.
create function claim_job_run(
  p_plugin text, p_job text, p_digest text, p_fingerprint text, p_tick timestamptz, p_due timestamptz, p_skip text,
  p_owner uuid, p_lease_ms integer, p_side_by_side integer, p_waiting integer, p_now timestamptz,
  out verdict text, out run bigint
) language plpgsql as $$
declare
  kept plugin_jobs;
  running integer;
  queued integer;
  overlap text;
begin
  if p_due > p_now then
    verdict := 'early';
    return;
  end if;
  -- Without the lock: of several cores all but one come second.
  if p_tick is not null and exists (
    select from job_runs where plugin_name = p_plugin and job = p_job and tick_at = p_tick
  ) then
    verdict := 'taken';
    return;
  end if;
  kept := hold_job(p_plugin, p_job, p_digest, p_fingerprint);
  if kept.name is null then
    verdict := 'stale';
    return;
  end if;
  if p_tick is not null then
    if p_tick <= kept.ticked_at then
      verdict := 'taken';
      return;
    end if;
    if kept.paused_at is not null then
      verdict := 'paused';
      return;
    end if;
    update plugin_jobs set ticked_at = p_tick where plugin_name = p_plugin and name = p_job;
  end if;
  select count(*) filter (where r.state = 'running' and r.lease_until > p_now), count(*) filter (where r.state = 'queued')
    into running, queued
    from job_runs r where r.plugin_name = p_plugin and r.job = p_job and r.state in ('queued', 'running');
  overlap := kept.definition ->> 'overlap';
  verdict := case
    when p_skip is not null then 'skipped'
    when running < case overlap when 'allow' then p_side_by_side else 1 end and (overlap <> 'queue' or queued = 0)
      then 'run'
    when overlap = 'queue' and queued < p_waiting then 'queued'
    when p_tick is null then 'busy'
    else 'skipped'
  end;
  if verdict = 'busy' then
    return;
  end if;
  insert into job_runs (plugin_name, job, tick_at, trigger, state, due_at, created_at, owner, lease_until, started_at,
    ended_at, error)
  values (p_plugin, p_job, p_tick, case when p_tick is null then 'manual' else 'tick' end,
    case verdict when 'run' then 'running' else verdict end, p_due, p_now,
    case when verdict = 'run' then p_owner end,
    case when verdict = 'run' then p_now + p_lease_ms * interval '1 ms' end,
    case when verdict = 'run' then p_now end,
    case when verdict = 'skipped' then p_now end,
    case when verdict = 'skipped' then
      coalesce(p_skip, case overlap when 'queue' then 'too many runs wait' else 'the last run goes on' end) end)
  returning id into run;
end $$;

-- Begins the run that has waited longest, if it may begin.
create function claim_queued_job_run(
  p_plugin text, p_job text, p_digest text, p_fingerprint text,
  p_owner uuid, p_lease_ms integer, p_side_by_side integer, p_now timestamptz,
  out verdict text, out run bigint
) language plpgsql as $$
declare kept plugin_jobs;
begin
  kept := hold_job(p_plugin, p_job, p_digest, p_fingerprint);
  if kept.name is null then
    verdict := 'stale';
    return;
  end if;
  if (select count(*) from job_runs r
      where r.plugin_name = p_plugin and r.job = p_job and r.state = 'running' and r.lease_until > p_now)
      >= (case kept.definition ->> 'overlap' when 'allow' then p_side_by_side else 1 end) then
    verdict := 'busy';
    return;
  end if;
  update job_runs set state = 'running', owner = p_owner, lease_until = p_now + p_lease_ms * interval '1 ms',
    started_at = p_now
  where id = (
    select r.id from job_runs r
    where r.plugin_name = p_plugin and r.job = p_job and r.state = 'queued' and r.due_at <= p_now
      -- A pause holds back what nobody asked for by hand.
      and (kept.paused_at is null or r.trigger = 'manual')
    order by r.due_at, r.id limit 1
  )
  returning id into run;
  verdict := case when run is null then 'none' else 'run' end;
end $$;

-- Accounts for ticks that nobody looked at in time; those given are made up for, one after the other.
create function note_missed_ticks(
  p_plugin text, p_job text, p_digest text, p_fingerprint text, p_ticks timestamptz[], p_up_to timestamptz,
  p_late_since timestamptz, p_now timestamptz, out verdict text
) language plpgsql as $$
declare kept plugin_jobs;
begin
  if p_late_since > p_now then
    verdict := 'early';
    return;
  end if;
  kept := hold_job(p_plugin, p_job, p_digest, p_fingerprint);
  if kept.name is null then
    verdict := 'stale';
    return;
  end if;
  if kept.paused_at is not null then
    verdict := 'paused';
    return;
  end if;
  if p_up_to <= kept.ticked_at then
    verdict := 'taken';
    return;
  end if;
  insert into job_runs (plugin_name, job, tick_at, trigger, state, due_at, created_at)
  select p_plugin, p_job, tick, 'catch-up', 'queued', p_now, p_now
  from unnest(p_ticks) with ordinality as missed (tick, place)
  where tick > kept.ticked_at order by place
  on conflict do nothing;
  update plugin_jobs set ticked_at = p_up_to where plugin_name = p_plugin and name = p_job;
  verdict := 'noted';
end $$;

-- Ends a run that its owner still has; one that did not end well is queued again as often as its job says.
create function end_job_run(
  p_id bigint, p_owner uuid, p_state text, p_error text, p_place text, p_log jsonb, p_again boolean,
  p_base_ms integer, p_max_ms integer, p_now timestamptz
) returns boolean language plpgsql as $$
declare
  ended job_runs;
  kept plugin_jobs;
begin
  update job_runs set state = p_state, error = p_error, place = p_place, log = p_log, ended_at = p_now, lease_until = null
    where id = p_id and owner = p_owner and state = 'running' returning * into ended;
  if not found then
    return false;
  end if;
  update plugin_jobs set
    last_run_at = ended.started_at,
    last_duration_ms = extract(epoch from p_now - ended.started_at) * 1000,
    last_error = p_error
  where plugin_name = ended.plugin_name and name = ended.job and coalesce(last_run_at <= ended.started_at, true);
  select * into kept from plugin_jobs where plugin_name = ended.plugin_name and name = ended.job;
  if p_again and p_state <> 'ok' and kept.fingerprint is not null
      and ended.attempt <= coalesce((kept.definition ->> 'retries')::integer, 0) then
    insert into job_runs (plugin_name, job, tick_at, attempt, trigger, state, due_at, created_at)
    values (ended.plugin_name, ended.job, ended.tick_at, ended.attempt + 1, ended.trigger, 'queued',
      p_now + least(p_base_ms * 2 ^ (ended.attempt - 1), p_max_ms) * interval '1 ms', p_now)
    on conflict do nothing;
  end if;
  return true;
end $$;
