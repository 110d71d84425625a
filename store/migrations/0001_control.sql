-- The control plane: users, jobs, documents, items, litter, dead letters.
-- A table that an application has already keeps its columns; ours are added beside them. Nothing here takes a lock for long:
-- new columns have constant defaults, and indexes of tables that may be large already are made concurrently (indexes.sql).

create table if not exists users (
    id uuid primary key default gen_random_uuid(),
    email text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
alter table users
    add column if not exists s3_bucket_prefix text,
    add column if not exists pinecone_namespace text,
    add column if not exists db_schema text,
    add column if not exists is_active boolean not null default true,
    add column if not exists total_documents integer default 0,
    add column if not exists total_storage_bytes bigint default 0,
    add column if not exists total_vectors bigint default 0;
comment on table users is 'Tenants: owned by the application. Millrace reads it to admit tenants and keeps the three totals exact.';
comment on column users.total_documents is 'Documents with a live generation of vectors.';
comment on column users.total_storage_bytes is 'Bytes of the objects of those documents.';
comment on column users.total_vectors is 'Live vectors, which are the chunks of those documents.';

create table if not exists processing_jobs (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null,
    job_type text not null default 'upload',
    status text not null default 'pending',
    total_documents integer not null default 0,
    processed_count integer not null default 0,
    failed_count integer not null default 0,
    config jsonb,
    error_message text,
    started_at timestamptz,
    completed_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
) with (fillfactor = 50);
alter table processing_jobs
    add column if not exists cancelled_count integer not null default 0,
    add column if not exists control text not null default 'none',
    add column if not exists bytes_total bigint,
    add column if not exists bytes_done bigint not null default 0,
    add column if not exists pages_done bigint not null default 0,
    add column if not exists chunks_done bigint not null default 0,
    add column if not exists tokens_done bigint not null default 0,
    add column if not exists tokens_billed bigint not null default 0,
    add column if not exists price numeric not null default 0;
comment on table processing_jobs is 'Documents submitted together, with exact counters: they are the counts of its job_items. A bare upload is a job of one.';
comment on column processing_jobs.status is 'pending, processing, completed, failed, partial, cancelled';
comment on column processing_jobs.processed_count is 'Items with outcome success or skipped.';
comment on column processing_jobs.control is 'none, pause, cancel: what people want; workers see it within the lease pulse.';
comment on column processing_jobs.tokens_billed is 'What the embedding endpoint charged for its items.';
comment on column processing_jobs.price is 'Of those tokens, in the currency of MILLRACE_TOKEN_PRICE.';
comment on column processing_jobs.bytes_total is 'Bytes of all documents as submitted; null: not known.';

create table if not exists documents (
    id uuid primary key,
    job_id uuid,
    user_id uuid not null,
    title text,
    file_path text,
    file_source_type text,
    file_size bigint,
    mime_type text,
    status text not null default 'pending',
    tags jsonb,
    extracted_text text,
    processing_metadata jsonb,
    error_message text,
    processed_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
) with (fillfactor = 25); -- a finished row is three times as long: without room for that all its indexes are written again
alter table documents
    add column if not exists bucket text,
    add column if not exists object_key text,
    add column if not exists etag text,
    add column if not exists error_code text,
    add column if not exists chunk_count integer not null default 0,
    add column if not exists page_count integer,
    add column if not exists token_count bigint,
    add column if not exists gen bigint,
    add column if not exists gen_pipeline text,
    add column if not exists fence bigint,
    add column if not exists leased_until timestamptz,
    add column if not exists starts integer not null default 0,
    add column if not exists deleted_at timestamptz;
comment on table documents is 'One row per object of a bucket: the object as it is now. A removed object keeps its row as a tombstone.';
comment on column documents.status is 'pending, processing, success, failed, skipped, cancelled';
comment on column documents.gen is 'The live generation: part of the ids of its vectors. Null: no vectors.';
comment on column documents.gen_pipeline is 'Fingerprint of the pipeline (how texts are read: text2, chunker, model, dimensions) that made the live generation.';
comment on column documents.fence is 'The latest attempt: random per claim.';
comment on column documents.leased_until is 'Until when that attempt may write; null: it has ended.';
comment on column documents.starts is 'Attempts since the last one that ended in order: grows when workers die.';
comment on column documents.deleted_at is 'When the object was found to be gone.';

create table if not exists job_items (
    job_id uuid not null,
    document_id uuid not null,
    outcome text,
    error_code text,
    error_message text,
    due timestamptz,
    finished_at timestamptz,
    created_at timestamptz not null default now(),
    parked_at timestamptz,
    parked_until timestamptz,
    size_bytes bigint,
    page_count integer,
    chunk_count integer,
    token_count bigint,
    tokens_billed bigint,
    price numeric,
    primary key (job_id, document_id)
) with (fillfactor = 70);
-- Finishing an item moves it out of this and of job_items_due_at (indexes.sql), at the price of one entry in the primary key: they
-- hold open items only, so the janitor and the claim of a bare event never read history.
create index if not exists job_items_open on job_items (document_id) where outcome is null;
comment on table job_items is 'One document of one job, open while outcome is null. History that a later overwrite does not rewrite.';
comment on column job_items.outcome is 'success, skipped, failed, cancelled; a code and a sentence go with all but the first.';
comment on column job_items.due is 'An open item is run by the janitor after this.';
comment on column job_items.parked_at is 'When it was first parked (paused, long back-off, over quota).';
comment on column job_items.parked_until is 'Its events are settled without running it until then.';

create table if not exists absorbed_events (
    bare_job uuid primary key,
    document_id uuid not null,
    job_id uuid not null
);
comment on table absorbed_events is 'Bare events that ran an open item of another job instead of making their own: a replay must find them settled.';

create table if not exists litter (
    document_id uuid not null,
    gen bigint not null,
    user_id uuid not null,
    n integer not null,
    quiet_at timestamptz not null,
    primary key (document_id, gen)
) with (fillfactor = 70);
comment on table litter is 'Generations whose vectors 0 .. n-1 may exist in the store and must go unless they become live.';
comment on column litter.quiet_at is 'After this no request under way can create them any more.';

create table if not exists dead_letters (
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    event_no integer not null,
    code text not null,
    message text not null,
    key bytea,
    value bytea,
    headers jsonb,
    user_id uuid,
    event_at timestamptz,
    created_at timestamptz not null default now(),
    resolution text,
    resolved_at timestamptz,
    primary key (topic, partition, "offset", event_no)
);
comment on table dead_letters is 'Messages and events that can never become a document, with what is needed to send them again.';
comment on column dead_letters.resolution is 'replayed or discarded; null: it waits for a person.';

create table if not exists tenant_settings (
    user_id uuid primary key,
    weight real not null default 1 check (weight > 0),
    in_flight_max integer check (in_flight_max > 0),
    documents_max bigint check (documents_max >= 0),
    storage_bytes_max bigint check (storage_bytes_max >= 0)
);
comment on table tenant_settings is 'Optional: share and limits of a tenant.';

create table if not exists millrace_settings (
    name text primary key,
    value text not null
);
comment on table millrace_settings is 'What migrate was told: schema_prefix, embedding_type, roles. Read by the functions.';

-- Rows of attempts that have not finished. They may be lost in a crash: the attempt stages them again.
create unlogged table if not exists staged_chunks (
    document_id uuid not null,
    gen bigint not null,
    chunk_no integer not null,
    page_first integer not null,
    page_last integer not null,
    char_start bigint not null,
    char_end bigint not null,
    heading text not null,
    token_count integer not null,
    content_hash bytea not null,
    content text not null,
    embedding real[]
);
create index if not exists staged_chunks_of_attempt on staged_chunks (document_id, gen);
-- Written once, read once: no work on making them smaller, and a row of a few hundred dimensions stays in one piece.
alter table staged_chunks alter column embedding set storage external, alter column content set storage external,
    set (toast_tuple_target = 8160);
create unlogged table if not exists staged_texts (
    document_id uuid not null,
    gen bigint not null,
    body text not null
);
alter table staged_texts alter column body set storage external;
create index if not exists staged_texts_of_attempt on staged_texts (document_id, gen);
do $$ -- ten times as fast as the default; servers older than 14, or built without it, keep that
begin
    execute 'alter table documents alter column extracted_text set compression lz4';
exception when feature_not_supported or syntax_error then
    raise notice 'no lz4: extracted texts are compressed with pglz';
end $$;
comment on table staged_chunks is 'Chunk rows of attempts under way; FINISH moves them to the tenant.';
comment on table staged_texts is 'Extracted texts of attempts under way, when they are too big for a statement.';
