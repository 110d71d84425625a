-- Functions that work inside the tenants' schemas. SECURITY DEFINER: the worker's role owns nothing and creates nothing itself.
-- Their search path is that of the migration: the control schema alone, whatever the caller's is.

create or replace function millrace_schema_name(tenant uuid) returns text
language sql stable security definer set search_path from current as $$
    select (select value from millrace_settings where name = 'schema_prefix') || replace(tenant::text, '-', '')
$$;

-- A non-null column that contradicts the names derived from the id refuses the tenant. Inlined into the claims.
create or replace function millrace_tenant_fits(u users, schema_prefix text) returns boolean
language sql immutable as $$
    select coalesce(rtrim(u.s3_bucket_prefix, '/'), '') in ('', 'users/' || u.id)
       and coalesce(u.pinecone_namespace, '') in ('', 'user_' || replace(u.id::text, '-', ''))
       and coalesce(u.db_schema, '') in ('', schema_prefix || replace(u.id::text, '-', ''))
$$;

-- title and tags belong to people, everything else to the pipeline.
create or replace function millrace_edit_document() returns trigger
language plpgsql security definer set search_path from current as $$
begin
    if tg_op <> 'UPDATE' then
        raise exception 'documents are made and removed through the bucket' using errcode = 'insufficient_privilege';
    end if;
    if to_jsonb(new) - array['title', 'tags'] <> to_jsonb(old) - array['title', 'tags'] then
        raise exception 'only title and tags of a document can be changed' using errcode = 'insufficient_privilege';
    end if;
    update documents set title = new.title, tags = new.tags, updated_at = now()
     where id = old.id and user_id = old.user_id;
    return new;
end $$;

-- What the roles of `migrate` may do in a tenant's schema: the worker reads chunks (it writes through the functions here), the
-- application reads all and changes title and tags.
create or replace function millrace_grant_tenant(place text) returns void
language plpgsql set search_path from current as $$
declare
    worker text := (select value from millrace_settings where name = 'worker_role');
    application text := (select value from millrace_settings where name = 'application_role');
begin
    if worker is not null then
        execute format('grant usage on schema %I to %I', place, worker);
        execute format('grant select on %I.chunks to %I', place, worker);
    end if;
    if application is not null then
        execute format('grant usage on schema %I to %I', place, application);
        execute format('grant select on %I.chunks, %1$I.documents to %I', place, application);
        execute format('grant update (title, tags) on %I.documents to %I', place, application);
    end if;
end $$;

-- Makes what is missing of a tenant's schema and answers its name. Every call is harmless.
create or replace function millrace_tenant_schema(tenant uuid) returns text
language plpgsql security definer set search_path from current as $$
declare
    place text := millrace_schema_name(tenant);
    wanted text := (select value from millrace_settings where name = 'embedding_type');
    found regtype;
begin
    if not exists (select from users where id = tenant) then
        raise exception 'no user has the id %', tenant using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('millrace ' || place, 0));
    execute format('create schema if not exists %I', place);
    execute format('create table if not exists %I.chunks (
        document_id uuid not null, chunk_no integer not null, page_first integer not null, page_last integer not null,
        char_start bigint not null, char_end bigint not null, heading text not null, token_count integer not null,
        content_hash bytea not null, content text not null, embedding %s, primary key (document_id, chunk_no))', place, wanted);
    select atttypid into found from pg_attribute
     where attrelid = format('%I.chunks', place)::regclass and attname = 'embedding';
    if found <> wanted::regtype then -- pgvector came later
        execute format('alter table %I.chunks alter column embedding type %s using embedding::%2$s', place, wanted);
    end if;
    -- A row with a vector of a few hundred dimensions stays in one piece: a search reads all of them.
    execute format('alter table %I.chunks alter column embedding set storage external, set (toast_tuple_target = 4064)', place);
    execute format('create or replace view %I.documents with (security_barrier) as
        select id, job_id, user_id, title, file_path, file_source_type, file_size, mime_type, status, tags, extracted_text,
               processing_metadata, error_code, error_message, chunk_count, page_count, token_count, etag, processed_at,
               deleted_at, created_at, updated_at
          from documents where user_id = %L', place, tenant);
    execute format('create or replace trigger edit instead of insert or update or delete on %I.documents
        for each row execute function millrace_edit_document()', place);
    perform millrace_grant_tenant(place);
    return place;
end $$;

-- FINISH calls this once per tenant: staged rows of finished attempts become the documents' chunks, or the old chunks just go.
-- Answers the documents whose staged rows are not complete: nothing was done for those.
create or replace function millrace_move_chunks(tenant uuid, is_shared boolean, docs uuid[], gens bigint[], counts integer[])
returns setof uuid
language plpgsql security definer set search_path from current as $$
declare
    place text := case when is_shared then current_schema() else millrace_schema_name(tenant) end;
    owner_column text := case when is_shared then 'user_id, ' else '' end;
    owner_value text := case when is_shared then format('%L::uuid, ', tenant) else '' end;
    is_there boolean := to_regclass(format('%I.chunks', place)) is not null;
    cast_type text := (select value from millrace_settings where name = 'embedding_type');
    bad uuid[];
begin
    select coalesce(array_agg(e.doc), '{}') into bad
      from unnest(docs, gens, counts) e(doc, gen, n)
     where e.n > 0 and e.n <> (select count(distinct s.chunk_no) from staged_chunks s
                                where s.document_id = e.doc and s.gen = e.gen and s.chunk_no < e.n);
    if is_there then
        execute format('delete from %I.chunks where document_id = any($1) and document_id <> all($2)', place) using docs, bad;
    end if;
    if exists (select from unnest(docs, counts) e(doc, n) where e.n > 0 and e.doc <> all(bad)) then
        if not is_there and not is_shared then
            perform millrace_tenant_schema(tenant);
        end if;
        execute format('insert into %I.chunks (%sdocument_id, chunk_no, page_first, page_last, char_start, char_end, heading,
                token_count, content_hash, content, embedding)
            select distinct on (s.document_id, s.chunk_no) %ss.document_id, s.chunk_no, s.page_first, s.page_last, s.char_start,
                   s.char_end, s.heading, s.token_count, s.content_hash, s.content, s.embedding::%s
              from unnest($1, $2, $3) e(doc, gen, n)
              join staged_chunks s on s.document_id = e.doc and s.gen = e.gen and s.chunk_no < e.n
             where e.doc <> all($4)', place, owner_column, owner_value, cast_type)
            using docs, gens, counts, bad;
    end if;
    delete from staged_chunks s using unnest(docs, gens) e(doc, gen)
     where s.document_id = e.doc and s.gen = e.gen and e.doc <> all(bad);
    return query select unnest(bad);
end $$;

revoke all on function millrace_schema_name(uuid) from public;
revoke all on function millrace_grant_tenant(text) from public;
revoke all on function millrace_tenant_schema(uuid) from public;
revoke all on function millrace_move_chunks(uuid, boolean, uuid[], bigint[], integer[]) from public;
