/*
 * users.h - the rows that an application makes in production and `dev` makes by itself, and what
 *           their buckets are known to hold.
 *
 * Thread: the loop thread.
 */
#ifndef STORE_USERS_H
#define STORE_USERS_H

#include "store/pg.h"
#include "worker/model/tenant.h"

struct users_request {
    /* in: borrowed until on_done */
    const struct uuid
        *ids; /* ensure: active users without further data; those there stay as they are */
    size_t id_count;
    struct text bucket; /* keys: of the documents that are not removed */
    void (*on_key)(struct users_request *request, struct uuid user,
                   struct text key); /* keys: once each */
    void (*on_done)(struct users_request *request, const struct error *err);
    /* private */
    struct pg_request pg;
    struct pg_statement statement;
    struct pg_param param;
    struct pg_array array;
};

void users_ensure(struct pg *pg, struct users_request *request);
void users_list_keys(struct pg *pg, struct users_request *request);

#endif
