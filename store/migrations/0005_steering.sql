-- What people do to jobs and dead letters, who did it, and what a job waits for.

alter table processing_jobs
    add column if not exists control_by text,
    add column if not exists control_at timestamptz;
comment on column processing_jobs.control_by is 'Who paused, resumed, cancelled or retried it last.';
comment on column processing_jobs.control_at is 'When that was.';

alter table dead_letters add column if not exists resolved_by text;
comment on column dead_letters.resolved_by is 'Who replayed or discarded it.';

create table if not exists millrace_actions (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    who text not null,
    role text not null default session_user,
    action text not null,
    job_id uuid,
    count bigint not null,
    detail text
);
comment on table millrace_actions is 'What people did to jobs and dead letters: nothing here is ever changed.';
comment on column millrace_actions.who is 'The person and machine, as the command was told.';
comment on column millrace_actions.role is 'The database role that the command came with.';
comment on column millrace_actions.action is 'pause, resume, cancel, retry, replay, discard';
comment on column millrace_actions.count is 'Documents of the job, or dead letters, that it touched.';
comment on column millrace_actions.detail is 'Which dead letters: the filter.';

-- Lost in a crash of the server: the workers say it again.
create unlogged table if not exists millrace_workers (
    id uuid primary key,
    host text not null,
    version text not null,
    started_at timestamptz not null,
    seen_at timestamptz not null,
    tasks integer not null,
    waiting integer not null,
    kafka_lag bigint not null,
    oldest_seconds bigint not null,
    trouble_code text,
    trouble_message text,
    trouble_at timestamptz
) with (fillfactor = 50);
comment on table millrace_workers is 'Workers that run, or ended without saying so: each renews its row every 10 seconds.';
comment on column millrace_workers.seen_at is 'When it renewed its row last; half a minute ago: it is gone, or cannot reach the database.';
comment on column millrace_workers.tasks is 'Documents in work.';
comment on column millrace_workers.waiting is 'Events that wait in its memory.';
comment on column millrace_workers.kafka_lag is 'Messages of its partitions that are not settled.';
comment on column millrace_workers.oldest_seconds is 'Age of the oldest of them.';
comment on column millrace_workers.trouble_code is 'Why a document left it last, to come again.';

-- The remaining time comes from what the job did in the last ten minutes, by bytes where those of all documents are known: an
-- average since the start would count pauses, and what was retried, as work. Null: nothing was finished lately, so nobody knows.
create or replace view job_progress as
select j.id as job_id, j.user_id, j.job_type, j.status, j.control, j.total_documents, j.processed_count, j.failed_count,
       j.cancelled_count, j.total_documents - j.processed_count - j.failed_count - j.cancelled_count as open_count,
       case when j.total_documents > 0
            then round(100.0 * (j.processed_count + j.failed_count + j.cancelled_count) / j.total_documents, 1) end as percent_done,
       j.bytes_total, j.bytes_done, j.pages_done, j.chunks_done, j.tokens_done, j.tokens_billed, j.price, j.created_at, j.started_at, j.completed_at,
       extract(epoch from coalesce(j.completed_at, now()) - j.started_at) as seconds,
       extract(epoch from now() - r.since)
           * case when j.bytes_total > 0 and r.bytes > 0 then greatest(j.bytes_total - j.bytes_done, 0)::numeric / r.bytes
                  else (j.total_documents - j.processed_count - j.failed_count - j.cancelled_count)::numeric / r.documents end
           as seconds_left,
       j.control_by, j.control_at
  from processing_jobs j
  left join lateral (
       select w.since, count(*) as documents, sum(i.size_bytes) as bytes
         from (select greatest(j.started_at, j.control_at, now() - interval '10 minutes') as since) w
         join job_items i on i.finished_at > w.since
        where i.job_id = j.id and j.completed_at is null and j.control = 'none'
        group by w.since) r on true;
comment on view job_progress is 'Each job with its counters, percentage, remaining time, and who steered it last.';
