-- Runs at the end of every migrate, after the numbered ones: what depends on the configuration.
-- The caller has set millrace.schema_prefix, millrace.has_vectors and millrace.has_user_schemas for this transaction.
do $$
declare
    embedding_type text := 'real[]';
    fitting text := (select default_version from pg_available_extensions where name = 'vector');
begin
    if current_setting('millrace.has_vectors') = 'on' and string_to_array(fitting, '.')::int[] >= '{0,7}' then
        begin
            create extension if not exists vector;
        exception when insufficient_privilege then
            raise notice 'pgvector is available, but this role may not create it: vectors are kept as real[]';
        end;
    end if;
    if exists (select from pg_extension where extname = 'vector' and string_to_array(extversion, '.')::int[] >= '{0,7}') then
        select format('%I.halfvec', n.nspname) into embedding_type
          from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
    end if;
    if embedding_type <> 'real[]' and not exists (select from pg_attribute where attrelid = to_regclass('staged_chunks')
            and attname = 'embedding_half') then
        execute format('alter table staged_chunks add column embedding_half %s', embedding_type);
        alter table staged_chunks alter column embedding_half set storage external;
    end if;
    insert into millrace_settings (name, value)
    values ('schema_prefix', current_setting('millrace.schema_prefix')), ('embedding_type', embedding_type)
    on conflict (name) do update set value = excluded.value where millrace_settings.value <> excluded.value;
    if current_setting('millrace.has_user_schemas') = 'off' then
        execute format('create table if not exists chunks (
            user_id uuid not null, document_id uuid not null, chunk_no integer not null, page_first integer not null,
            page_last integer not null, char_start bigint not null, char_end bigint not null, heading text not null,
            token_count integer not null, content_hash bytea not null, content text not null, embedding %s,
            primary key (document_id, chunk_no))', embedding_type);
        alter table chunks alter column embedding set storage external, set (toast_tuple_target = 4064);
        create index if not exists chunks_of_user on chunks (user_id, document_id, chunk_no);
    end if;
end $$;
