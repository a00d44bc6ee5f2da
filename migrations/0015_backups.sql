-- A backup of one plugin is restored by way of a restore point that is made of it.
alter table restore_points drop constraint restore_points_reason_check;
alter table restore_points add constraint restore_points_reason_check
  check (reason in ('upgrade', 'rollback', 'manual', 'backup'));
