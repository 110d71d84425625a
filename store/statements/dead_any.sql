select 1, l.document_id, l.user_id, l.gen, l.n, (extract(epoch from now()) * 1000000)::int8
  from litter l join documents d on d.id = l.document_id
 where d.gen is distinct from l.gen and not (d.fence = l.gen and d.leased_until is not null)
 order by (l.quiet_at <= now()) desc, l.quiet_at limit $1
