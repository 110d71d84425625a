/*
 * pg_internal.h - what the files of the pg family share. Nobody else includes it.
 *
 *     pg.c         the service: requests in, answers out
 *     pg_target.c  the connection string, taken apart
 *     pg_link.c    one connection: resolve, connect, back off, connect again
 *     pg_writer.c  pipelined transactions on a link
 *     pg_copier.c  COPY and scripts on another link
 *     pg_value.c   rows and array parameters
 *     pg_error.c   SQLSTATE to error code
 *
 * libpq's own struct names are used as they are (PGconn is struct pg_conn, PGresult is struct
 * pg_result), so that no header of ours needs the vendor's.
 * Thread: the loop thread.
 */
#ifndef STORE_PG_INTERNAL_H
#define STORE_PG_INTERNAL_H

#include "store/pg.h"
#include "worker/base/list.h"

struct pg_conn;
struct pg_poll;
struct pg_lookup;

/* ---- where to connect ------------------------------------------------------------------------ */

#define PG_HOSTS_MAX 16
#define PG_SETTINGS_MAX 96
#define PG_ADDRESSES_BYTES_MAX 4096

struct pg_target {
    char *keywords[PG_SETTINGS_MAX]; /* all but host, hostaddr and port */
    char *values[PG_SETTINGS_MAX];
    size_t setting_count;
    char *hosts[PG_HOSTS_MAX]; /* a name, a socket directory, or "" for libpq's default */
    char *ports[PG_HOSTS_MAX]; /* "" for the default */
    size_t host_count;
    char *fixed_host, *fixed_addresses,
        *fixed_ports; /* with hostaddr: as given, nothing to look up */
};

bool pg_target_parse(struct text url, struct text application_name, struct pg_target *ret_target,
                     struct error *err) MUST_CHECK;
void pg_target_release(struct pg_target *target);
bool pg_host_needs_lookup(const char *host);

/* ---- one connection -------------------------------------------------------------------------- */

enum pg_link_state { LINK_IDLE, LINK_RESOLVING, LINK_CONNECTING, LINK_UP, LINK_BACKING_OFF };

struct pg_link {
    struct loop *loop;
    const struct pg_target *target;
    uint64_t connect_timeout_ms;
    void (*on_up)(struct pg_link *link);
    void (*on_ready)(struct pg_link *link); /* up: bytes came, or bytes can be sent */
    /* An attempt failed, or the connection is gone. The next attempt is already arranged. */
    void (*on_down)(struct pg_link *link, bool was_up, const struct error *err);
    /* private to pg_link.c, but for conn and state (read only) */
    struct pg_conn *conn;
    enum pg_link_state state;
    struct pg_poll *poll;
    struct pg_lookup *lookup;
    struct timer timer; /* the deadline of an attempt, or the back-off */
    uint32_t failure_count;
    uint64_t attempt_ms; /* loop time when the present or last attempt began */
    uint64_t up_ms;
    bool wants_write;
};

void pg_link_start(struct pg_link *link); /* nothing when it was started before */
void pg_link_stop(struct pg_link *link);  /* for good; no callback follows */
/* Drops the connection: on_down follows at once. */
void pg_link_fail(struct pg_link *link, const struct error *err);
/* Sends what libpq holds, and asks for on_ready when that cannot all be sent now. */
bool pg_link_flush(struct pg_link *link, struct error *err) MUST_CHECK;
bool pg_link_error(const struct pg_link *link, struct error *err); /* libpq's words; false */

/* ---- requests under way ---------------------------------------------------------------------- */

/* Hangs at private_state of a request or a copy from the call until its on_done. */
struct pg_flight {
    struct error err;
    bool has_failed;
    bool is_plain;          /* run it without named statements: a name was lost */
    uint64_t since_ms;      /* when it was handed in */
    struct pg_result *rows; /* kept for on_done */
    size_t query_count;     /* sent since the last sync: the answers come in this order */
    size_t query_at;
    int16_t *queries; /* per query: the statement it runs, or one of the below */
};
enum { QUERY_PRELUDE = -1, QUERY_PREPARE = -2, QUERY_COMMIT = -3 };

struct pg_statement_name {
    const char *sql;   /* compared by address: literals */
    uint32_t no;       /* "m<no>" */
    bool is_prepared;  /* sent: pipelined statements behind it may count on it */
    bool is_confirmed; /* the server said so */
};

struct pg_writer {
    struct pg *pg;
    struct pg_link link;
    struct list waiting, in_flight; /* struct pg_request */
    struct timer watchdog;
    uint64_t progress_ms;
    struct pg_statement_name *names;
    size_t name_count;
    uint32_t name_no;
    uint32_t lost_name_count; /* on this connection */
    uint64_t plans_ms;        /* when plans were last thrown away; 0: never */
    bool is_useless;          /* a standby: reconnect */
};

struct pg_copier {
    struct pg *pg;
    struct pg_link link;
    struct list waiting; /* struct pg_copy */
    struct pg_copy *now;
    struct timer watchdog;
    uint64_t progress_ms;
    size_t sent_bytes;
    bool is_feeding;
    bool is_ended; /* all data is with libpq */
};

struct pg {
    struct loop *loop;
    struct pg_options options;
    char statement_timeout[24], lock_timeout[24]; /* as set_config takes them */
    char search_path[96];                         /* the control schema alone, quoted */
    struct pg_target target;
    struct pg_writer writer, beside, ahead; /* the others connect when they are needed first */
    struct pg_copier copier;
    struct list done_requests, done_copies;
    struct later deliver;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

void pg_writer_open(struct pg_writer *writer, struct pg *pg);
void pg_writer_pump(struct pg_writer *writer);
size_t pg_writer_load(const struct pg_writer *writer); /* requests it has not answered */
void pg_writer_close(struct pg_writer *writer, const struct error *err);
void pg_copier_open(struct pg_copier *copier, struct pg *pg);
void pg_copier_pump(struct pg_copier *copier);
void pg_copier_close(struct pg_copier *copier, const struct error *err);
/* Hand the request to its on_done, in a later turn; err NULL: done. */
void pg_done(struct pg *pg, struct pg_request *request, const struct error *err);
void pg_copy_done(struct pg *pg, struct pg_copy *copy, const struct error *err);
/* How long the server may be silent while it owes an answer; 0: for ever. */
uint64_t pg_silence_ms_max(const struct pg *pg);

/* ---- errors ---------------------------------------------------------------------------------- */

enum error_code pg_error_code(const char *sqlstate);
/* From a result that is an error; fills sqlstate (6 bytes). Returns false. */
bool pg_error_of_result(const struct pg_result *result, char *sqlstate, struct error *err);
/* From libpq's text about a connection, which may hold a SQLSTATE. Returns false. */
bool pg_error_of_connection(const char *message, struct error *err);
/* The server is going away, or is a standby now: this connection is of no more use. */
bool pg_is_fatal_for_link(const char *sqlstate);

#endif
