-- Rows of attempts that ended without a finish.
with t as (
    delete from staged_texts s
     where not exists (select from documents d where d.id = s.document_id and d.fence = s.gen and d.leased_until is not null))
delete from staged_chunks s
 where not exists (select from documents d where d.id = s.document_id and d.fence = s.gen and d.leased_until is not null)
