with e as materialized (
    select *, to_timestamp(nullif(time_ms, 0) / 1000.0) as event_at
      from unnest($1::text[], $2::int4[], $3::int8[], $4::int4[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
                  $9::text[], $10::uuid[], $11::int8[]) with ordinality
           e(topic, part, pos, event_no, code, msg, key, value, headers, uid, time_ms, at)),
-- Only one letter of a message has its key, value and headers; the others of it have null there, and the same time.
seen as (
    select topic, partition as part, "offset" as pos, event_at, value, code = 'unreadable_record' as is_unreadable, 0::int8 as at
      from dead_letters where (topic, partition, "offset") in (select topic, part, pos from e)
    union
    select topic, part, pos, event_at, value, code = 'unreadable_record', min(at) from e group by 1, 2, 3, 4, 5, 6),
-- A topic that was made anew counts from 0 again: what came from one place and is not the same keeps apart by its time.
named as (
    select e.*, case when exists (
               select from seen s
                where (s.topic, s.part, s.pos) = (e.topic, e.part, e.pos) and s.at < e.at
                  and (s.event_at is distinct from e.event_at or s.value <> e.value)
                  and not (s.is_unreadable and e.code = 'unreadable_record'))
           then e.topic || '#' || e.time_ms else e.topic end as name
      from e),
n as (
    insert into dead_letters (topic, partition, "offset", event_no, code, message, key, value, headers, user_id, event_at)
    select name, part, pos, event_no, code, msg, key, value, headers::jsonb, uid, event_at from named order by 1, 2, 3, 4
        on conflict do nothing returning topic, partition, "offset", event_no)
select at, ((name, part, pos, event_no) in (select topic, partition, "offset", event_no from n))::int from named
