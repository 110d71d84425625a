-- The role tenant_reader: it reads jobs, documents, items and the shared table of chunks of one tenant at a time, of the one that
-- millrace.user_id names. Run it once as the owner, with the control schema first in the search path, and set a password:
--
--     psql "$OWNER_URL" -1 -v ON_ERROR_STOP=1 -f docs/tenant-role.sql
--
-- For everybody else nothing changes: the rows are open to every role with a grant (the policy is the constant true, of which a plan
-- keeps nothing), and closed again to this one.
create role tenant_reader login;

create function millrace_current_user_id() returns uuid
language sql stable as $$ select nullif(current_setting('millrace.user_id', true), '')::uuid $$;

do $$
declare
    name text;
    is_own text;
begin
    execute format('grant usage on schema %I to tenant_reader', current_schema());
    for name, is_own in values ('processing_jobs', 'user_id = (select millrace_current_user_id())'),
                               ('documents', 'user_id = (select millrace_current_user_id())'),
                               ('chunks', 'user_id = (select millrace_current_user_id())'),
                               -- of a job and a document that the role sees
                               ('job_items', 'exists (select from processing_jobs j where j.id = job_id)
                                              and exists (select from documents d where d.id = document_id)') loop
        continue when to_regclass(name) is null; -- chunks: DB_USE_USER_SCHEMAS
        execute format('alter table %I enable row level security', name);
        execute format('create policy open_to_all on %I using (true) with check (true)', name);
        execute format('create policy of_one_tenant on %I as restrictive to tenant_reader using (%s)', name, is_own);
        execute format('grant select on %I to tenant_reader', name);
    end loop;
end $$;
