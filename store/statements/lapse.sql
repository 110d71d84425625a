-- Attempts of removals whose workers died. An upload's has an open item, which is run again; of a removal nothing may be left: told
-- twice, the other one is done. Whoever was only frozen loses the fence.
with l as materialized (
    select d.id from documents d
     where d.removing and coalesce(d.leased_until, '-infinity') < now()
     order by d.id limit 1000 for no key update of d skip locked)
update documents d
   set fence = null, leased_until = null, removing = null, updated_at = now(),
       status = case when d.gen is not null then 'success' when d.status = 'processing' then 'pending' else d.status end
  from l where d.id = l.id
