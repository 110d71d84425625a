-- Runs after settings.sql at the end of every migrate: what the roles of the worker and of the application may do. Nothing that is
-- not granted here. Once told, the names are kept, so that a later migrate grants what is new.
do $$
declare
    wanted record;
    place text;
begin
    for wanted in select * from (values ('worker_role', current_setting('millrace.worker_role')),
                                        ('application_role', current_setting('millrace.application_role'))) as v (name, role)
                   where role <> '' loop
        if not exists (select from pg_roles where rolname = wanted.role) then
            begin
                execute format('create role %I login', wanted.role); -- its password is the operator's business
            exception when duplicate_object or unique_violation then
                raise notice 'another database made the role %', wanted.role;
            end;
        end if;
        if (select rolsuper or pg_has_role(wanted.role, current_user, 'member') from pg_roles where rolname = wanted.role) then
            raise exception 'the role % is a superuser, or may act as the owner of the schema: choose another', wanted.role
                using errcode = 'invalid_role_specification';
        end if;
        insert into millrace_settings (name, value) values (wanted.name, wanted.role)
            on conflict (name) do update set value = excluded.value where millrace_settings.value <> excluded.value;
    end loop;

    for wanted in select name, value as role from millrace_settings where name in ('worker_role', 'application_role') loop
        execute format('grant usage on schema %I to %I', current_schema(), wanted.role);
        execute format('grant select on users, processing_jobs, documents, job_items, tenant_settings, job_progress, tenant_usage,
            throughput, failures_by_reason, dead_letters_by_reason to %I', wanted.role);
        if to_regclass('chunks') is not null then
            execute format('grant select on chunks to %I', wanted.role);
        end if;
        continue when wanted.name <> 'worker_role';
        execute format('grant update (total_documents, total_storage_bytes, total_vectors) on users to %I', wanted.role);
        execute format('grant insert, update on processing_jobs, documents, job_items to %I', wanted.role);
        execute format('grant select, insert on absorbed_events, dead_letters to %I', wanted.role);
        execute format('grant update (resolution, resolved_at, resolved_by) on dead_letters to %I', wanted.role);
        execute format('grant select, insert, update, delete on litter, early_removals to %I', wanted.role);
        execute format('grant select, insert, delete on staged_chunks, staged_texts to %I', wanted.role);
        execute format('grant select, insert on millrace_actions to %I', wanted.role);
        execute format('grant select, insert, update, delete on millrace_workers to %I', wanted.role);
        execute format('grant select on millrace_settings, schema_version, millrace_faults to %I', wanted.role);
        execute format('grant execute on function millrace_schema_name(uuid), millrace_tenant_schema(uuid),
            millrace_move_chunks(uuid, boolean, uuid[], bigint[], integer[]) to %I', wanted.role);
    end loop;

    for place in select nspname from users u join pg_namespace n on n.nspname = millrace_schema_name(u.id)
                  where to_regclass(format('%I.chunks', nspname)) is not null loop
        perform millrace_grant_tenant(place);
    end loop;
end $$;
