-- $12 is known when the plan is made: what bare events need is not even planned where there are none.
with f as materialized ( -- each tenant once
    select u.id, u.is_active, u.total_documents, u.total_storage_bytes, s.documents_max, s.storage_bytes_max, s.in_flight_max,
           millrace_tenant_fits(u, $7) as is_fitting,
           case when s.weight > 0 then (least(greatest(s.weight, 0.001), 1000) * 1000)::int8 end as weight_permille
      from users u left join tenant_settings s on s.user_id = u.id where u.id = any($2)),
r as materialized ( -- which item this event runs
    select e.*, case when e.time_ms > 0 then least(to_timestamp(e.time_ms / 1000::float8), now()) end as event_at, -- or a clock is ahead
           case when $12 and e.bare then coalesce(
               (select i.job_id from job_items i where i.job_id = e.job and i.document_id = e.doc),
               (select a.job_id from absorbed_events a where a.bare_job = e.job),
               (select i.job_id from job_items i join processing_jobs j on j.id = i.job_id
                 where i.document_id = e.doc and i.outcome is null and (j.user_id = e.uid) is true and j.control <> 'cancel'
                 order by i.created_at, i.job_id limit 1),
               (select i.job_id from documents d join processing_jobs j on j.id = d.job_id -- cancelled: see claim_jobs.sql
                  join job_items i on i.job_id = j.id and i.document_id = d.id
                 where d.id = e.doc and d.gen is null and j.control = 'cancel' and (j.user_id = e.uid) is true
                   and case when i.outcome is null then true else i.outcome = 'cancelled' and d.status = 'cancelled' end
                   and to_timestamp(e.time_ms / 1000.0) between i.created_at and j.control_at),
               -- A late notice of what a job has done already: the bytes are live, and nobody is at work who may have read others.
               (select i.job_id from documents d join job_items i on i.job_id = d.job_id and i.document_id = d.id
                 where d.id = e.doc and d.user_id = e.uid and d.gen is not null and d.leased_until is null
                   and d.etag = e.etag and d.gen_pipeline = $6 and i.outcome in ('success', 'skipped')
                   and to_timestamp(e.time_ms / 1000.0) between i.created_at and i.finished_at))
           else e.job end as item_job
      from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $5::int8[], $9::bool[], $10::int8[], $11::text[])
           with ordinality e(doc, uid, job, bare, fence, uncovers, time_ms, etag, at)),
v as materialized (
    select r.*, d.place, d.gen, d.etag as live_etag, d.gen_pipeline, d.chunk_count, d.starts,
           d.fence is distinct from r.fence as is_new_attempt,
           coalesce(d.fence = r.fence and d.leased_until = now() + $8 * interval '1 millisecond' and d.status = 'processing'
                    and d.job_id = r.item_job and d.removing is null
                    and (r.event_at > coalesce(d.told_at, '-infinity')) is not true, false) as is_written, -- claim_documents.sql did
           greatest(d.told_at, r.event_at) as told_at, r.event_at > coalesce(d.told_at, '-infinity') as is_news,
           case when r.event_at > coalesce(d.told_at, '-infinity')
                then case when r.job is not null then coalesce(r.etag, '') end else d.told_etag end as told_etag,
           coalesce(j.control, 'none') as control, u.is_active,
           case when d.file_source_type = 'url' then d.file_path end as link,
           coalesce(u.total_documents - (d.gen is not null)::int >= u.documents_max
                    or u.total_storage_bytes - case when d.gen is null then 0 else d.file_size end >= u.storage_bytes_max,
                    false) as is_over_quota,
           u.weight_permille, u.in_flight_max,
           greatest(ceil(extract(epoch from d.leased_until - now()) * 1000), 0)::int8 as busy_ms,
           case when u.id is null then 'no_tenant'
                when not u.is_fitting or d.user_id <> r.uid then 'mismatch'
                when not r.bare and r.job is not null and (i.job_id is null or j.user_id <> r.uid) then 'no_item'
                when r.job is not null and (d.id is null or i.job_id is null) then 'again' -- it was settled just now
                when i.outcome is not null or d.id is null then 'done'
                -- No vectors, so none is stale, and: it is known to be gone; or a cancel, or an item's end without a look, covers what
                -- was before it; or its item will look.
                when r.job is null and d.gen is null and d.leased_until is null
                     and (d.deleted_at is not null and not r.uncovers
                          or r.event_at <= d.processed_at and case when d.deleted_at is null then d.etag is null else d.status = 'cancelled' end
                          or exists (select from job_items o where o.document_id = d.id and o.outcome is null)) then 'done'
                when d.fence <> r.fence and d.leased_until > now() then 'busy'
                when i.parked_until > now() then 'parked'
                else 'go' end as verdict
      from r left join f u on u.id = r.uid
             -- offset 0: looked up for each event; the planner might read all rows, of which there were few once
             left join lateral (select d.*, d.ctid as place from documents d where d.id = r.doc offset 0) d on true
             left join lateral (select j.* from processing_jobs j where j.id = r.item_job offset 0) j on true
             left join lateral (select i.* from job_items i where i.job_id = r.item_job and i.document_id = r.doc offset 0) i on true),
t as (
    update documents d
       set fence = v.fence, leased_until = now() + $8 * interval '1 millisecond', starts = d.starts + v.is_new_attempt::int,
           -- A removal that changes nothing must leave what it found.
           status = case when v.job is null then d.status else 'processing' end,
           job_id = coalesce(v.item_job, d.job_id), removing = case when v.job is null then true end,
           told_at = v.told_at, told_etag = v.told_etag, updated_at = now()
      from v where d.ctid = v.place and v.verdict = 'go' and not v.is_written), -- the row is locked: it is still there
n as ( -- but for replays of what is settled: their rows are not locked
    update documents d set told_at = v.told_at, told_etag = v.told_etag
      from v where d.id = v.doc and v.is_news
       and (v.verdict in ('busy', 'parked') or v.verdict = 'done' and (v.job is null or v.item_job <> v.job))),
er as (
    insert into early_removals (document_id, told_at)
    select doc, event_at from v where job is null and verdict = 'done' and place is null and event_at is not null order by doc
        on conflict (document_id) do update set told_at = greatest(early_removals.told_at, excluded.told_at)),
p as (
    update processing_jobs set status = 'processing', started_at = coalesce(started_at, now()), updated_at = now()
     where status = 'pending' and id in (select id from processing_jobs
            where status = 'pending' and id in (select item_job from v where verdict = 'go') order by id for no key update)),
a as (
    -- From here on the item's outcome is this event's, too: every later attempt of it was claimed after the event, and what
    -- was done already must be so for a replay, whatever is live then.
    insert into absorbed_events (bare_job, document_id, job_id)
    select job, doc, item_job from v where $12 and bare and item_job <> job and verdict in ('go', 'parked', 'done') order by job
        on conflict do nothing)
select at, verdict, item_job, gen, live_etag, (gen_pipeline = $6)::int, chunk_count, starts + is_new_attempt::int, control,
       is_active::int, is_over_quota::int, busy_ms, link, weight_permille, in_flight_max,
       (extract(epoch from told_at) * 1000)::int8, told_etag, (extract(epoch from now() - told_at) * 1000)::int8
  from v
