with u as (select u.id from users u where u.id = $2 and millrace_tenant_fits(u, $6)),
e as materialized (
    select distinct on (doc) * from unnest($7::uuid[], $8::text[], $9::text[], $10::text[], $11::text[], $12::int8[],
                                           $13::text[]) e(doc, bucket, key, title, source_type, size, link)),
j as (
    insert into processing_jobs (id, user_id, job_type, status, total_documents, processed_count, failed_count, config,
                                 bytes_total, created_at, updated_at)
    select $1, u.id, $3, 'pending', (select count(*) from e), 0, 0, $4::jsonb, (select sum(size) from e), now(), now() from u
        on conflict do nothing returning id),
d as (
    insert into documents (id, job_id, user_id, title, file_path, file_source_type, file_size, status, tags, bucket, object_key,
                           told_at, created_at, updated_at)
    select e.doc, j.id, $2, coalesce(e.title, regexp_replace(e.key, '^.*/', '')), coalesce(e.link, e.key), e.source_type, e.size, 'pending', '[]',
           e.bucket, e.key, (select r.told_at from early_removals r where r.document_id = e.doc), now(), now() from e, j
     where not exists (select from documents x where x.id = e.doc and x.file_source_type is distinct from 'url')
     order by e.doc
        on conflict (id) do update set file_path = excluded.file_path, updated_at = now() -- a fresh link: the old one may have ended
           where documents.file_source_type = 'url' and excluded.file_source_type = 'url' and documents.user_id = $2),
tl as materialized ( -- a title that is told goes to a document that is there already, too
    select d.id, e.title from documents d join e on e.doc = d.id, j
     where e.title is not null and d.user_id = $2 and d.file_source_type is distinct from 'url' and d.title is distinct from e.title
     order by d.id for no key update of d),
t as (update documents d set title = tl.title, updated_at = now() from tl where d.id = tl.id),
i as (
    insert into job_items (job_id, document_id, due, size_bytes)
    select j.id, e.doc, now() + $5 * interval '1 millisecond', e.size from e, j order by e.doc)
select (select count(*) from u), (select count(*) from j),
       (select count(*) from processing_jobs p where p.id = $1 and p.user_id <> $2)
