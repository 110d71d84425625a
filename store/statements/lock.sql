select 1 from documents where id = any($1) order by id for no key update
