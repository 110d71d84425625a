-- Only when nothing could have come to exist after the sweep was listed. No document: it was never ours to keep.
delete from litter l
 using unnest($1::uuid[], $2::int8[], $3::int8[]) e(doc, gen, as_of_us), documents d
 where l.document_id = e.doc and l.gen = e.gen and d.id = l.document_id
   and l.quiet_at <= 'epoch'::timestamptz + e.as_of_us * interval '1 microsecond'
   and d.gen is distinct from l.gen and not (d.fence = l.gen and d.leased_until is not null)
