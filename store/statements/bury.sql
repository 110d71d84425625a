with e as materialized (
    select * from unnest($1::text[], $2::int4[], $3::int8[], $4::int4[], $5::text[], $6::text[], $7::bytea[], $8::bytea[],
                         $9::text[], $10::uuid[], $11::int8[]) with ordinality
             e(topic, part, pos, event_no, code, msg, key, value, headers, uid, time_ms, at)),
n as (
    insert into dead_letters (topic, partition, "offset", event_no, code, message, key, value, headers, user_id, event_at)
    select topic, part, pos, event_no, code, msg, key, value, headers::jsonb, uid,
           to_timestamp(nullif(time_ms, 0) / 1000.0) from e order by 1, 2, 3, 4
        on conflict do nothing returning topic, partition, "offset", event_no)
select at, ((topic, part, pos, event_no) in (select topic, partition, "offset", event_no from n))::int from e
