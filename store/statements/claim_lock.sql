-- A replay of a settled item touches nothing, so it locks nothing. offset: see claim_jobs.sql.
select 1 from documents d join unnest($1::uuid[], $2::uuid[]) e(doc, job) on d.id = e.doc
 where not exists (select from job_items i
                    where i.job_id = e.job and i.document_id = e.doc and i.outcome is not null offset 0)
 order by d.id for no key update of d
