-- A bare event makes a job of one, unless an open item of its document takes it (or has taken it before), a job has done what it
-- tells of already (as claim.sql will find), or a cancelled item was open when it happened, and the row tells of that still: who
-- cancels a job means the events of its uploads, too. With vectors in place only the bucket can tell whether they are still the
-- object's, so that the event is worth a look.
-- offset 0: looked up for each event. As a join the planner might walk through all open items for each of them, where old
-- statistics say that there is hardly one. is true: hidden, or it might walk through all jobs of a user, who had few once.
with e as (
    select e.*
      from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $6::int8[], $7::text[]) e(doc, uid, job, bare, time_ms, etag)
     where e.bare and (select millrace_tenant_fits(u, $5) from users u where u.id = e.uid)
       and not exists (select from absorbed_events a where a.bare_job = e.job offset 0)
       and not exists (select from job_items i join processing_jobs j on j.id = i.job_id
                        where i.document_id = e.doc and i.outcome is null and (j.user_id = e.uid) is true and j.control <> 'cancel'
                        offset 0)
       and not exists (select from documents d join processing_jobs j on j.id = d.job_id
                         join job_items i on i.job_id = j.id and i.document_id = d.id
                        where d.id = e.doc and d.gen is null and j.control = 'cancel' and (j.user_id = e.uid) is true
                          and case when i.outcome is null then true else i.outcome = 'cancelled' and d.status = 'cancelled' end
                          and to_timestamp(e.time_ms / 1000.0) between i.created_at and j.control_at offset 0)
       and not exists (select from documents d join job_items i on i.job_id = d.job_id and i.document_id = d.id
                        where d.id = e.doc and d.user_id = e.uid and d.gen is not null and d.leased_until is null
                          and d.etag = e.etag and d.gen_pipeline = $8 and i.outcome in ('success', 'skipped')
                          and to_timestamp(e.time_ms / 1000.0) between i.created_at and i.finished_at offset 0)),
n as (
    -- Nobody is at work on a document that does not exist yet: this claim gets it, and need not change its job once more.
    insert into processing_jobs (id, user_id, job_type, status, started_at, total_documents, processed_count, failed_count,
                                 config, created_at, updated_at)
    select job, uid, 'upload', case when is_new then 'processing' else 'pending' end, case when is_new then now() end, 1, 0, 0,
           '{}', now(), now()
      from (select e.*, not exists (select from documents d where d.id = e.doc offset 0) as is_new from e) e
     order by job
        on conflict do nothing returning id)
insert into job_items (job_id, document_id, due)
select job, doc, now() + interval '1 hour' from e
 -- is true: so that it stays a look into a hash; as a join, of what is thought to be one row, it compares each with each.
 where (job in (select id from n)) is true order by 1, 2
    on conflict do nothing
