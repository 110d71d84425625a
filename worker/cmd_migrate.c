/*
 * millrace migrate: creates the database schema, or brings it up to this version.
 */
#include <stdio.h>

#include "store/schema.h"
#include "worker/cmd.h"

struct migration {
    struct schema_request request;
    struct error err;
    bool is_done, has_failed;
};

static void on_migrated(struct schema_request *request, const struct error *err)
{
    struct migration *migration = container_of(request, struct migration, request);
    migration->is_done = true;
    migration->has_failed = err != NULL;
    if (err)
        migration->err = *err;
}

static int migrate(struct app *app)
{
    const struct config *config = app->config;
    struct migration migration = {
        .request = {.options = {.vectors_in_postgres = config->vector_store != CONFIG_PINECONE,
                                .dimension_count = config->embedding_dimensions,
                                .has_user_schemas = config->db_use_user_schemas,
                                .schema_prefix = config->db_schema_prefix},
                    .on_done = on_migrated},
    };
    schema_migrate(app->pg, app->loop, &migration.request);
    while (!migration.is_done)
        loop_run_once(app->loop, 1000);
    if (migration.has_failed)
        return cmd_fail(&migration.err);
    const struct schema_request *request = &migration.request;
    if (request->version_before == request->version_after)
        printf("schema is at version %u already\n", request->version_after);
    else
        printf("schema upgraded from version %u to %u\n", request->version_before,
               request->version_after);
    return EXIT_DONE;
}

int cmd_migrate(struct invocation *invocation)
{
    struct app app;
    struct config config;
    struct error err;
    int code = EXIT_WRONG_USAGE;
    if (!cmd_no_more_options(invocation))
        return EXIT_WRONG_USAGE;
    if (cmd_load_config(invocation, NEED_DATABASE, &config)) {
        if (app_open(&app, &config, NEED_DATABASE, &err)) {
            code = migrate(&app);
            app_close(&app);
        } else {
            code = cmd_fail(&err);
        }
    }
    config_release(&config);
    return code;
}
