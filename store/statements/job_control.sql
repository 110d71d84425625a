-- What was cancelled stays cancelled. The janitor comes at once: to every open item of a cancelled job, to the parked ones of a
-- job that goes on (the others wait for their events as before).
with j as (
    update processing_jobs set control = $2, updated_at = now()
     where id = $1 and control not in ('cancel', $2) and status in ('pending', 'processing') returning id),
i as (
    update job_items i set due = now(), parked_until = null from j
     where i.job_id = j.id and i.outcome is null and ($2 = 'cancel' or ($2 = 'none' and i.parked_at is not null)))
select (select count(*) from processing_jobs where id = $1), (select count(*) from j)
