with v as materialized (
    select e.*, d.user_id, coalesce(d.fence = e.fence and d.leased_until is not null, false) as is_mine,
           coalesce(j.control, 'none') = 'cancel' as is_stopped, not u.is_active as is_inactive
      from unnest($1::uuid[], $2::int8[], $3::int4[]) with ordinality e(doc, fence, n, at)
      left join documents d on d.id = e.doc
      left join users u on u.id = d.user_id
      left join processing_jobs j on j.id = d.job_id),
t as (
    update documents d set leased_until = now() + $4 * interval '1 millisecond' from v where d.id = v.doc and v.is_mine),
l as (
    insert into litter (document_id, gen, user_id, n, quiet_at)
    select doc, fence, user_id, n, now() + interval '2 minutes' from v where is_mine and n > 0
        on conflict (document_id, gen) do update set n = greatest(litter.n, excluded.n), quiet_at = excluded.quiet_at)
select at, case when not is_mine then 'lost' when is_stopped then 'stop' when is_inactive then 'inactive' else 'go' end from v
