select e.at, l.document_id, l.user_id, l.gen, l.n, (extract(epoch from now()) * 1000000)::int8
  from unnest($1::uuid[]) with ordinality e(doc, at)
  join documents d on d.id = e.doc
  join litter l on l.document_id = e.doc
 where d.gen is distinct from l.gen and not (d.fence = l.gen and d.leased_until is not null)
