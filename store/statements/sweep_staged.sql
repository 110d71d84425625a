-- Rows of attempts that ended without a finish, and removals of which no event is late any more.
with e as (delete from early_removals where told_at < now() - interval '10 minutes'),
t as (
    delete from staged_texts s
     where not exists (select from documents d where d.id = s.document_id and d.fence = s.gen and d.leased_until is not null))
delete from staged_chunks s
 where not exists (select from documents d where d.id = s.document_id and d.fence = s.gen and d.leased_until is not null)
