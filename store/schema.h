/*
 * schema.h - the database schema: its version, and the migrations that make it.
 *
 * Thread: the loop thread.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/pg.h"

struct schema_options {
    bool vectors_in_postgres;
    uint32_t dimension_count;
    bool has_user_schemas;
    struct text schema_prefix;
    /* migrate: granted what they need, made when missing; none: those of the last time */
    struct text worker_role, application_role;
    uint64_t index_rows_min; /* of a table of chunks, to get an index of its vectors */
};
struct schema_request {
    struct schema_options options;
    void (*on_done)(struct schema_request *request, const struct error *err);
    uint32_t version_before, version_after; /* out */
    uint32_t version_needed;                /* out */
    uint32_t index_count;                   /* out: made concurrently by this migrate */
    bool is_superuser, is_owner;            /* out: the role that asks; of our tables */
    bool has_pgvector;                      /* out: the extension is installed */
    bool may_write;                         /* out: that role, to documents, items and jobs */
    bool may_make_schemas;  /* out: it may call the function that makes a tenant's */
    bool stages_halves;     /* out, of a check: for ledger_stage_halves() */
    int64_t clock_ahead_ms; /* out: the server's clock before ours */
    void *private_state;
};
/* Creates or upgrades, under an advisory lock: safe beside running workers and other migrates.
 * Indexes are made concurrently, at the end. ERR_SCHEMA: the schema is newer than this program. */
void schema_migrate(struct pg *pg, struct loop *loop, struct schema_request *request);
/* ERR_SCHEMA when the schema is older than this program needs, or newer and not made for programs
 * as old as this one. Changes nothing. */
void schema_check(struct pg *pg, struct loop *loop, struct schema_request *request);

#endif
