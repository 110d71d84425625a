-- offset: see claim_jobs.sql.
insert into documents (id, job_id, user_id, title, file_path, file_source_type, status, tags, bucket, object_key,
                       told_at, created_at, updated_at)
select e.doc, (select j.id from processing_jobs j where j.id = e.job), e.uid, reverse(split_part(reverse(e.key), '/', 1)), e.key, 'upload',
       'pending', '[]', e.bucket, e.key, (select r.told_at from early_removals r where r.document_id = e.doc), now(), now()
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $6::text[], $7::text[]) e(doc, uid, job, bare, bucket, key)
  join users u on u.id = e.uid
 where e.bare and millrace_tenant_fits(u, $5) and not exists (select from documents d where d.id = e.doc offset 0)
 order by e.doc
    on conflict do nothing
