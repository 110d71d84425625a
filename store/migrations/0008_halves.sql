-- Where pgvector is, vectors are staged as the halfvec they become (settings.sql adds the column, workers look for it): a quarter of
-- the bytes on the wire, and nothing to convert when the rows move. Workers of before go on with embedding.

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
    has_halves boolean := exists (select from pg_attribute where attrelid = to_regclass('staged_chunks') and attname = 'embedding_half');
    vector_sql text := case when has_halves then 'coalesce(s.embedding_half::%1$s, s.embedding::%1$s)' else 's.embedding::%1$s' end;
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
                   s.char_end, s.heading, s.token_count, s.content_hash, s.content, %s
              from unnest($1, $2, $3) e(doc, gen, n)
              join staged_chunks s on s.document_id = e.doc and s.gen = e.gen and s.chunk_no < e.n
             where e.doc <> all($4)', place, owner_column, owner_value, format(vector_sql, cast_type))
            using docs, gens, counts, bad;
    end if;
    delete from staged_chunks s using unnest(docs, gens) e(doc, gen)
     where s.document_id = e.doc and s.gen = e.gen and e.doc <> all(bad);
    return query select unnest(bad);
end $$;
