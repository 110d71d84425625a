/*
 * app.h - opens the services a command needs, from the configuration, and closes them again.
 *
 * Owns:   the loop and the services it opened.
 * Thread: the loop thread; app_open() before any other thread exists (the extraction zygote).
 */
#ifndef WORKER_APP_H
#define WORKER_APP_H

#include "queue/queue.h"
#include "worker/base/loop.h"
#include "worker/config.h"

#define APP_NEEDS_EXTRACT (1u << 16) /* beside enum config_need */

struct budget;
struct pg;
struct objects;
struct extract;
struct extract_limits;
struct embed;
struct vectors;
struct ledger;
struct schema_options;

struct app {
    struct loop *loop;
    const struct config *config; /* borrowed */
    struct budget *budget;       /* of repeated calls and tries, of all services together */
    struct pg *pg;
    struct objects *objects;
    struct extract *extract;
    struct embed *embed;
    struct vectors *vectors;
    struct ledger *ledger; /* with NEED_DATABASE and NEED_VECTORS */
    char pipeline[256];    /* fingerprint of what makes vectors: text, cuts, dimensions, model */
};

bool app_open(struct app *app, const struct config *config, unsigned needs,
              struct error *err) MUST_CHECK;
void app_close(struct app *app); /* runs the loop until all is closed; half-open is allowed */
/* Of every child, as configured. */
struct extract_limits app_extract_limits(const struct config *config);
bool app_has_vectors_in_postgres(const struct app *app);
/* Before the ledger is used. ERR_SCHEMA when the database is not at our version; runs the loop. */
bool app_check_schema(struct app *app, struct error *err) MUST_CHECK;
struct schema_options app_schema_options(const struct app *app);
struct app_migration {
    uint32_t version_before, version_after;
    uint32_t index_count; /* indexes that were made */
};
/* Creates or upgrades the schema, and looks at it as app_check_schema() does, but warns of no role;
 * runs the loop. */
bool app_migrate(struct app *app, struct app_migration *ret_migration,
                 struct error *err) MUST_CHECK;
/* Of the consumer and of producers: borrowed from config and from *ret_properties. */
struct queue_options app_queue_options(const struct config *config,
                                       struct queue_property ret_properties[CONFIG_LIST_MAX]);

#endif
