-- With the lease at once where the item is open: claim.sql finds the row as it would write it, and need not write it again.
-- coalesce: so that the planner takes the key, and does not walk through all open items (see finish.sql). offset: claim_jobs.sql.
-- The user, too, is looked up for each event: as a join the planner might read all users, of whom there were few once.
insert into documents (id, job_id, user_id, title, file_path, file_source_type, status, tags, bucket, object_key, fence,
                       leased_until, starts, told_at, told_etag, created_at, updated_at)
select doc, coalesce(item, (select j.id from processing_jobs j where j.id = e.job)), uid, reverse(split_part(reverse(key), '/', 1)),
       key, 'upload', case when item is null then 'pending' else 'processing' end, '[]', bucket, key,
       case when item is not null then fence end, case when item is not null then now() + $9 * interval '1 millisecond' end,
       (item is not null)::int, case when item is null then gone_at else greatest(gone_at, event_at) end,
       case when item is not null and event_at > coalesce(gone_at, '-infinity') then coalesce(etag, '') end, now(), now()
  from (select e.*, case when e.time_ms > 0 then least(to_timestamp(e.time_ms / 1000::float8), now()) end as event_at,
               (select r.told_at from early_removals r where r.document_id = e.doc) as gone_at,
               (select i.job_id from job_items i where i.job_id = e.job and i.document_id = e.doc
                   and coalesce(i.outcome, '') = '' and i.parked_until is null) as item
          from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $6::text[], $7::text[], $8::int8[], $10::int8[], $11::text[])
               e(doc, uid, job, bare, bucket, key, fence, time_ms, etag)
         where e.bare and (select millrace_tenant_fits(u, $5) from users u where u.id = e.uid)
           and not exists (select from documents d where d.id = e.doc offset 0)
        offset 0) e
 order by doc
    on conflict do nothing
