-- {chunks} is the tenant's table: a name cannot be a parameter.
select h.at, min(c.chunk_no)
  from unnest($3::bytea[]) with ordinality h(hash, at)
  join {chunks} c on c.document_id = ($1::uuid[])[1] and c.content_hash = h.hash
  join documents d on d.id = c.document_id and d.gen = $2
 group by h.at
