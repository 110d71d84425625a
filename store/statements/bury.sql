with e as materialized (
    select *, to_timestamp(nullif(time_ms, 0) / 1000.0) as event_at
      from unnest($1::text[], $2::int4[], $3::int8[], $4::int4[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
                  $9::text[], $10::uuid[], $11::int8[]) with ordinality
           e(topic, part, pos, event_no, code, msg, key, value, headers, uid, time_ms, at)),
seen as (
    select topic, partition as part, "offset" as pos, event_no, code, value, event_at, 0::int8 as at from dead_letters d
     where (topic, partition, "offset", event_no) in (select topic, part, pos, event_no from e)
    union all
    select topic, part, pos, event_no, code, value, event_at, at from e),
-- A topic that was made anew counts from 0 again: what came from one place and is not the same keeps apart by its time.
named as (
    select e.*, case when exists (
               select from seen s
                where (s.topic, s.part, s.pos, s.event_no) = (e.topic, e.part, e.pos, e.event_no) and s.at < e.at
                  and (s.value, s.event_at) is distinct from (e.value, e.event_at)
                  and (s.code, e.code) <> ('unreadable_record', 'unreadable_record'))
           then e.topic || '#' || e.time_ms else e.topic end as name
      from e),
n as (
    insert into dead_letters (topic, partition, "offset", event_no, code, message, key, value, headers, user_id, event_at)
    select name, part, pos, event_no, code, msg, key, value, headers::jsonb, uid, event_at from named order by 1, 2, 3, 4
        on conflict do nothing returning topic, partition, "offset", event_no)
select at, ((name, part, pos, event_no) in (select topic, partition, "offset", event_no from n))::int from named
