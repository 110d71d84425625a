-- Before JOB_CONTROL with none or cancel, so that items are locked before their job, as FINISH does. The janitor comes at once: to
-- every open item of a job that is being cancelled, to the parked ones of one that goes on (the others wait for their events as
-- before). The time of a pause is none of trying.
update job_items i set due = now(), parked_until = null, parked_at = null
  from processing_jobs j
 where i.job_id = $1 and i.outcome is null and j.id = i.job_id and j.control <> 'cancel'
   and ($2 = 'cancel' or ($2 = 'none' and j.control = 'pause' and i.parked_at is not null))
