-- Answers the statements that make the missing indexes (and two more at the end), each to be run alone: they wait for no writer
-- and no writer waits for them. First what an interrupted build left. Read by every migrate, so that tables that grew get theirs.
with wanted (place, index, definition, on_table) as (
    values (current_schema()::text, 'documents_object', 'create unique index concurrently %I on %s (bucket, object_key)', 'documents'),
           (current_schema(), 'documents_of_user', 'create index concurrently %I on %s (user_id)', 'documents'),
           (current_schema(), 'documents_removing', 'create index concurrently %I on %s (id) where removing', 'documents'),
           (current_schema(), 'documents_to_look_at',
            'create index concurrently %I on %s (look_due) where look_due is not null', 'documents'),
           -- Not "where outcome is null": that let the claim of a bare event walk through all open items by it, for the planner
           -- took it for as good as job_items_open when it thought that there are none.
           (current_schema(), 'job_items_due_at', 'create index concurrently %I on %s (due) where due is not null', 'job_items'),
           (current_schema(), 'processing_jobs_of_user', 'create index concurrently %I on %s (user_id, created_at)',
            'processing_jobs')
    union all -- an exact search of a few thousand vectors is as fast; halfvec is indexed up to 4,000 dimensions
    select n.nspname, 'chunks_hnsw_' || $1::text,
           format('create index concurrently %%I on %%s using hnsw ((embedding::%s.halfvec(%s)) %1$s.halfvec_cosine_ops) '
                  'where %1$s.vector_dims(embedding) = %2$s', quote_ident(tn.nspname), $1::text), 'chunks'
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'embedding'
      join pg_type t on t.oid = a.atttypid and t.typname = 'halfvec'
      join pg_namespace tn on tn.oid = t.typnamespace
     where c.relname = 'chunks' and c.relkind = 'r' and $1::text::int <= 4000
       and (n.nspname = current_schema() or n.nspname in (select millrace_schema_name(id) from users))
       and greatest(c.reltuples, pg_stat_get_live_tuples(c.oid)) >= $2::text::bigint),
found as (
    select w.*, i.indexrelid, i.indisvalid, format('%I.%I', place, on_table) as relation,
           exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid) as is_being_built
      from wanted w left join pg_index i on i.indexrelid = to_regclass(format('%I.%I', place, index)))
select statement
  from (select 1 as step, format('drop index concurrently if exists %I.%I', place, index) as statement
          from found where not indisvalid and not is_being_built
        union all
        select 2, format(definition, index, relation) from found
         where to_regclass(relation) is not null and (indexrelid is null or not indisvalid and not is_being_built)
        union all -- what earlier versions made otherwise
        select 3, 'drop index concurrently ' || to_regclass('job_items_due') where to_regclass('job_items_due') is not null
        union all
        select 3, 'alter table documents set (fillfactor = 25)' from pg_class
         where oid = to_regclass('documents') and not coalesce(reloptions, '{}') @> '{fillfactor=25}') s
 order by step, statement
