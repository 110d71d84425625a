-- Our own rows are never joined with each other, only looked up in hashes (IN). What is asked of a row of the tables, but for its
-- key, hides from the planner (coalesce): it would guess from statistics, which of queues are always those of another hour, that
-- hardly a row is leased or open, walk through all that are, and through all of ours for each of them.
with h as materialized ( -- o...: what the document counted for before
    select e.*, d.ctid as place, d.user_id, d.gen as og, d.processed_at as op, (d.gen is not null)::int as od,
           case when d.gen is null then 0 else d.file_size end as ob, d.chunk_count as ov,
           coalesce(d.fence = e.fence and d.leased_until is not null, false) as is_held, -- an attempt that still holds its lease
           coalesce(d.gen = e.fence or (d.fence = e.fence and d.leased_until is null), false) as is_replay,
           -- It leaves what the row tells: also a removal of what is known to be gone, whoever found that and however it ended then.
           e.effect = 'keep' or (e.effect = 'gone' and e.job is null and d.deleted_at is not null) as keeps_word,
           not e.is_body_staged or exists (select from staged_texts s where s.document_id = e.doc and s.gen = e.fence) as has_body
      from unnest($1::uuid[], $2::int8[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                  $9::int8[], $10::int4[], $11::int4[], $12::int8[], $13::bool[], $14::text[], $15::text[], $16::text[],
                  $17::text[], $18::bool[], $19::bool[], $20::int8[], $21::text[]) with ordinality
             e(doc, fence, job, effect, outcome, code, msg, etag, size, n, pages, tokens, dirty, title, mime, metadata,
               body, is_body_staged, is_body_dropped, billed, price, at)
      left join documents d on d.id = e.doc),
k as materialized ( -- aggregated, so that every tenant's rows are moved
    select coalesce(array_agg(bad), '{}') as bad
      from (select millrace_move_chunks(user_id, $23, docs, gens, counts) as bad
              from (select user_id, array_agg(doc order by doc) as docs, array_agg(fence order by doc) as gens,
                           array_agg(case effect when 'live' then n else 0 end order by doc) as counts
                      from h where is_held and has_body and effect <> 'keep' and (og is not null or n > 0)
                     group by user_id order by user_id) g) b),
x as materialized ( -- n...: what it counts for from now on
    select h.*, case effect when 'live' then fence when 'keep' then og end as ng,
           case effect when 'live' then 1 when 'keep' then od else 0 end as nd,
           case effect when 'live' then size when 'keep' then ob else 0 end as nb,
           case effect when 'live' then n when 'keep' then ov else 0 end as nv,
           coalesce(price::numeric, 0) as cost
      from h, k where is_held and has_body and doc <> all(k.bad)),
d as (
    update documents d
       set leased_until = null, removing = null, starts = 0, gen = x.ng, chunk_count = x.nv, look_due = null, look_since = null,
           status = case when x.ng is not null then 'success' when x.keeps_word and d.status <> 'processing' then d.status else x.outcome end,
           gen_pipeline = case x.effect when 'live' then $22 when 'keep' then d.gen_pipeline end,
           etag = case x.effect when 'keep' then d.etag else x.etag end,
           file_size = case x.effect when 'keep' then d.file_size else x.size end,
           mime_type = case x.effect when 'keep' then d.mime_type else coalesce(x.mime, d.mime_type) end,
           page_count = case x.effect when 'live' then x.pages when 'keep' then d.page_count end,
           token_count = case x.effect when 'live' then x.tokens when 'keep' then d.token_count end,
           title = case when x.title is not null and (d.title is null or d.title = reverse(split_part(reverse(d.object_key), '/', 1)))
                        then x.title else d.title end, -- what people wrote stays
           extracted_text = case x.effect when 'live' then coalesce(x.body, (select s.body from staged_texts s
                                where x.is_body_staged and s.document_id = x.doc and s.gen = x.fence limit 1))
                                when 'keep' then d.extracted_text end,
           processing_metadata = case when x.effect = 'keep' then d.processing_metadata
                                      when x.is_body_dropped then coalesce(x.metadata::jsonb, '{}')
                                           || '{"extracted_text": "not kept: too large"}'
                                      else x.metadata::jsonb end,
           error_code = case when x.ng is not null then null when x.keeps_word and d.status <> 'processing' then d.error_code else x.code end,
           error_message = case when x.ng is not null then null when x.keeps_word and d.status <> 'processing' then d.error_message else x.msg end,
           deleted_at = case x.effect when 'gone' then coalesce(d.deleted_at, now()) when 'keep' then d.deleted_at end,
           processed_at = case when x.effect = 'keep' or (x.effect = 'gone' and d.deleted_at is not null) then d.processed_at
                               else now() end, updated_at = now()
      from x where d.ctid = x.place), -- the row is locked: it is still there
b as (delete from staged_texts s using x where x.is_body_staged and s.document_id = x.doc and s.gen = x.fence),
l1 as (delete from litter l using x where x.effect = 'live' and l.document_id = x.doc and l.gen = x.fence),
l2 as (
    update litter l set quiet_at = now() + case when h.dirty then interval '2 minutes' else '0' end
      from h where l.document_id = h.doc and l.gen = h.fence
       and h.doc not in (select doc from x where effect = 'live')
       and (not h.is_held or h.doc in (select doc from x))), -- not of one that stages again
l3 as (
    insert into litter (document_id, gen, user_id, n, quiet_at)
    select doc, og, user_id, ov, greatest(now(), op + interval '2 minutes') from x
     where $24 and og is not null and effect <> 'keep' and ov > 0),
i as (
    update job_items i
       set outcome = x.outcome, error_code = x.code, error_message = x.msg, due = null, parked_until = null, finished_at = now(),
           size_bytes = x.size, page_count = x.pages, chunk_count = x.n, token_count = x.tokens,
           tokens_billed = coalesce(i.tokens_billed, 0) + x.billed, price = coalesce(i.price, 0) + x.cost -- and what a retry paid before
      from x where i.job_id = x.job and i.document_id = x.doc and coalesce(i.outcome, '') = ''
    returning i.job_id, i.outcome, i.size_bytes, i.page_count, i.chunk_count, i.token_count, x.billed, x.cost),
jd as (
    select job_id, count(*) filter (where outcome in ('success', 'skipped')) p, count(*) filter (where outcome = 'failed') f,
           count(*) filter (where outcome = 'cancelled') c, sum(size_bytes) bytes, sum(page_count) pages,
           sum(chunk_count) chunks, sum(token_count) tokens, sum(billed) billed, sum(cost) cost
      from i group by job_id),
jl as materialized (
    select jd.* from processing_jobs j join jd on jd.job_id = j.id order by j.id for no key update of j),
j as (
    update processing_jobs j
       set processed_count = processed_count + p, failed_count = failed_count + f, cancelled_count = cancelled_count + c,
           bytes_done = bytes_done + bytes, pages_done = pages_done + pages, chunks_done = chunks_done + chunks,
           tokens_done = tokens_done + tokens, tokens_billed = tokens_billed + billed, price = price + cost,
           updated_at = now(),
           completed_at = case when processed_count + p + failed_count + f + cancelled_count + c = total_documents then now() end,
           status = case when processed_count + p + failed_count + f + cancelled_count + c < total_documents then 'processing'
                         when cancelled_count + c > 0 then 'cancelled' when failed_count + f = 0 then 'completed'
                         when processed_count + p = 0 then 'failed' else 'partial' end
      from jl where j.id = jl.job_id returning j.id),
ud as (select user_id, sum(nd - od) dd, sum(nb - ob) db, sum(nv - ov) dv from x group by user_id),
ul as materialized ( -- after the jobs: one order of locks for everybody
    select ud.* from users u join ud on ud.user_id = u.id
     where (select count(*) from j) >= 0 and (dd, db, dv) <> (0, 0, 0) order by u.id for no key update of u),
u as (
    update users u
       set total_documents = coalesce(total_documents, 0) + dd, total_storage_bytes = coalesce(total_storage_bytes, 0) + db,
           total_vectors = coalesce(total_vectors, 0) + dv
      from ul where u.id = ul.user_id)
select at, case when doc in (select doc from x) then 'ok' when is_held then 'restage' when is_replay then 'ok' else 'lost' end
  from h
