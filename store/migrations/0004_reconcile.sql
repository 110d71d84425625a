-- Derives everything that is counted anew, and says where the tables disagree with themselves. Read-only; one call is one
-- snapshot, so that work under way does not show. `millrace verify` and the tests call it.
-- kind: counter, orphan (belongs to nothing), hole (is missing), stale (should have moved on), wrong_tenant.

-- The chunks of one tenant, by document. Nothing when there is no table yet.
create or replace function millrace_count_chunks(tenant uuid)
returns table (document_id uuid, chunks bigint, first_no integer, last_no integer, tokens bigint, vectors bigint)
language plpgsql stable set search_path from current as $$
declare
    is_shared boolean := to_regclass('chunks') is not null;
    place text := millrace_schema_name(tenant);
begin
    if to_regclass(format('%I.chunks', place)) is not null then
        return query execute format('select document_id, count(*), min(chunk_no), max(chunk_no), sum(token_count),
            count(embedding) from %I.chunks group by 1', place);
    end if;
    if is_shared then
        return query execute 'select document_id, count(*), min(chunk_no), max(chunk_no), sum(token_count), count(embedding)
            from chunks where user_id = $1 group by 1' using tenant;
    end if;
end $$;

create or replace function millrace_reconcile(tenant uuid, are_vectors_rows boolean)
returns table (kind text, subject uuid, message text)
language sql stable set search_path from current as $$
    with d as materialized (select * from documents where user_id = tenant),
    j as materialized (select * from processing_jobs where user_id = tenant),
    i as materialized (
        select i.*, dd.user_id as document_user, jj.user_id as job_user
          from job_items i left join documents dd on dd.id = i.document_id left join processing_jobs jj on jj.id = i.job_id
         where i.job_id in (select id from j) or i.document_id in (select id from d)),
    counted as (
        select j.id, count(i.*) as total, count(*) filter (where outcome in ('success', 'skipped')) as processed,
               count(*) filter (where outcome = 'failed') as failed, count(*) filter (where outcome = 'cancelled') as cancelled,
               coalesce(sum(size_bytes) filter (where outcome is not null), 0) as bytes, coalesce(sum(page_count), 0) as pages,
               coalesce(sum(chunk_count), 0) as chunks, coalesce(sum(token_count), 0) as tokens,
               coalesce(sum(i.tokens_billed), 0) as billed, coalesce(sum(i.price), 0) as cost
          from j left join i on i.job_id = j.id group by j.id),
    used as (
        select count(gen) as documents, coalesce(sum(file_size) filter (where gen is not null), 0) as bytes,
               coalesce(sum(chunk_count), 0) as vectors from d)
    select 'counter', j.id, format('job: total, processed, failed, cancelled are %s, its items say %s',
               (total_documents, processed_count, failed_count, cancelled_count), (total, processed, failed, cancelled))
      from j join counted c using (id)
     where (total_documents, processed_count, failed_count, cancelled_count) <> (total, processed, failed, cancelled)
    union all
    select 'counter', j.id, format('job: bytes, pages, chunks, tokens done are %s, its items say %s',
               (bytes_done, pages_done, chunks_done, tokens_done), (bytes, pages, chunks, tokens))
      from j join counted c using (id)
     where (bytes_done, pages_done, chunks_done, tokens_done) <> (bytes, pages, chunks, tokens)
    union all
    select 'counter', j.id, format('job: tokens billed and their price are %s, its items say %s', (tokens_billed, price), (billed, cost))
      from j join counted c using (id) where (tokens_billed, price) <> (billed, cost)
    union all
    select 'counter', j.id, format('job is %s with processed, failed, cancelled %s of %s', status, (processed, failed, cancelled), total)
      from j join counted c using (id)
     where (total = processed + failed + cancelled) <> (status in ('completed', 'failed', 'partial', 'cancelled'))
        or (total = processed + failed + cancelled) <> (completed_at is not null)
    union all
    select 'counter', u.id, format('user: documents, bytes, vectors are %s, the documents say %s',
               (total_documents, total_storage_bytes, total_vectors), (documents, bytes, vectors))
      from users u, used
     where u.id = tenant and (coalesce(total_documents, 0), coalesce(total_storage_bytes, 0), coalesce(total_vectors, 0))
                             <> (documents, bytes, vectors)
    union all
    select 'counter', d.id, format('document is %s with chunk_count %s and %s live generation', status, chunk_count,
               case when gen is null then 'no' else 'a' end)
      from d where gen is null and chunk_count <> 0
               or leased_until is null and status <> 'pending' and (status = 'success') <> (gen is not null)
               or deleted_at is not null and gen is not null
    union all
    select 'hole', d.id, format('document is %s without a code and a sentence', status)
      from d where status in ('failed', 'skipped', 'cancelled') and (error_code is null or error_message is null)
    union all
    select 'hole', d.id, 'document is no item of any job' from d where not exists (select from i where i.document_id = d.id)
    union all
    select 'wrong_tenant', d.id, format('document %s lies under another prefix', object_key)
      from d where object_key is not null and not starts_with(object_key, 'users/' || user_id || '/')
    union all
    select 'wrong_tenant', i.document_id, format('item of job %s: the document is of %s, the job of %s', job_id, document_user, job_user)
      from i where document_user <> job_user
    union all
    select 'orphan', coalesce(i.document_id, i.job_id), format('item of job %s: there is no %s', job_id,
               case when job_user is null then 'such job' else 'document ' || document_id end)
      from i where document_user is null or job_user is null
    union all
    select 'hole', i.document_id, format('item of job %s is %s without a code and a sentence', job_id, outcome)
      from i where outcome <> 'success' and (error_code is null or error_message is null)
    union all
    select 'stale', i.document_id, format('item of job %s was due at %s', job_id, due)
      from i join j on j.id = i.job_id where outcome is null and due < now() - interval '1 hour' and j.control <> 'pause'
    union all
    select 'stale', d.id, format('its attempt has not ended since %s', leased_until)
      from d where leased_until < now() - interval '10 minutes'
    union all
    select 'stale', l.document_id, format('litter of generation %s was to be swept at %s', to_hex(l.gen), l.quiet_at)
      from litter l where l.user_id = tenant and l.quiet_at < now() - interval '1 hour'
    union all
    select case when dd.id is null then 'orphan' when dd.user_id <> tenant then 'wrong_tenant'
                when coalesce(c.chunks, 0) > dd.chunk_count then 'orphan'
                when (coalesce(c.chunks, 0), c.first_no, c.last_no) = (dd.chunk_count, 0, c.chunks - 1)
                     and dd.token_count <> c.tokens then 'counter' else 'hole' end,
           coalesce(dd.id, c.document_id),
           case when dd.id is null then format('%s chunks of a document that does not exist', c.chunks)
                when dd.user_id <> tenant then format('%s chunks of a document of %s', c.chunks, dd.user_id)
                when coalesce(c.chunks, 0) <> dd.chunk_count
                     then format('chunk_count is %s, there are %s chunks', dd.chunk_count, coalesce(c.chunks, 0))
                when (c.first_no, c.last_no) <> (0, c.chunks - 1)
                     then format('the numbers of %s chunks go from %s to %s', c.chunks, c.first_no, c.last_no)
                when dd.token_count <> c.tokens then format('token_count is %s, its chunks say %s', dd.token_count, c.tokens)
                else format('%s of %s chunks have a vector', c.vectors, c.chunks) end
      from millrace_count_chunks(tenant) c
      full join (select * from d where chunk_count > 0) o on o.id = c.document_id
      left join documents dd on dd.id = coalesce(o.id, c.document_id)
     where dd.id is null or dd.user_id <> tenant or coalesce(c.chunks, 0) <> dd.chunk_count
        or (c.first_no, c.last_no) <> (0, c.chunks - 1) or dd.token_count <> c.tokens
        or are_vectors_rows and c.vectors <> c.chunks
$$;
comment on function millrace_reconcile is 'What is wrong with one tenant''s rows; no row: all counters are exact.';

-- What belongs to no user at all.
create or replace function millrace_strays() returns table (kind text, subject uuid, message text)
language plpgsql stable set search_path from current as $$
declare
    prefix text := (select value from millrace_settings where name = 'schema_prefix');
begin
    return query
    select 'orphan', d.id, format('document of %s, who is no user', user_id) from documents d
     where not exists (select from users u where u.id = d.user_id)
    union all
    select 'orphan', j.id, format('job of %s, who is no user', user_id) from processing_jobs j
     where not exists (select from users u where u.id = j.user_id)
    union all
    select 'orphan', l.document_id, format('litter of %s: there is no such %s', user_id,
               case when exists (select from users u where u.id = l.user_id) then 'document' else 'user' end)
      from litter l where not exists (select from users u where u.id = l.user_id)
                       or not exists (select from documents d where d.id = l.document_id)
    union all
    select 'orphan', substr(nspname, length(prefix) + 1)::uuid, format('schema %s of no user', nspname)
      from pg_namespace where starts_with(nspname, prefix) and substr(nspname, length(prefix) + 1) ~ '^[0-9a-f]{32}$'
       and not exists (select from users u where u.id = substr(nspname, length(prefix) + 1)::uuid);
    if to_regclass('chunks') is not null then
        return query execute 'select ''orphan'', document_id, format(''%s chunks of %s, who is no user'', count(*), user_id)
            from chunks c where not exists (select from users u where u.id = c.user_id) group by document_id, user_id';
    end if;
end $$;
comment on function millrace_strays is 'Rows and schemas that belong to no user.';

-- All of it at once, for a look by hand: select * from millrace_faults.
create or replace view millrace_faults as
select u.id as user_id, r.* from users u, lateral millrace_reconcile(u.id, false) r
union all
select null, s.* from millrace_strays() s;
comment on view millrace_faults is 'What is wrong with the rows of all tenants; no row: all counters are exact.';
