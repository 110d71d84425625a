/*
 * millrace migrate: creates the database schema, or brings it up to this version.
 */
#include <stdio.h>

#include "worker/cmd.h"

static int migrate(struct app *app)
{
    struct app_migration done;
    struct error err;
    if (!app_migrate(app, &done, &err))
        return cmd_fail(&err);
    if (done.version_before == done.version_after)
        printf("schema is at version %u already\n", done.version_after);
    else
        printf("schema upgraded from version %u to %u\n", done.version_before, done.version_after);
    if (done.index_count)
        printf("%u indexes made\n", done.index_count);
    return EXIT_DONE;
}

static int run_command(struct invocation *invocation)
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

const struct command migrate_command = {
    .name = "migrate",
    .usage = "",
    .summary = "create or upgrade the database schema",
    .run = run_command,
};
