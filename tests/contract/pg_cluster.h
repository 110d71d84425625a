/*
 * pg_cluster.h - a throw-away PostgreSQL server for one test program: made from the distribution's
 *                binaries, on a socket and a free loopback port, gone when the program ends.
 */
#ifndef TESTS_CONTRACT_PG_CLUSTER_H
#define TESTS_CONTRACT_PG_CLUSTER_H

#include "tests/unit/test.h"

struct pg_cluster;

/* Prints SKIPPED and exits 77 when PostgreSQL is not installed; fails the program otherwise. */
struct pg_cluster *pg_cluster_start(void);
void pg_cluster_stop(struct pg_cluster *cluster);
/* Ends the server as a crash would (immediate shutdown), and starts it again on the same data. */
void pg_cluster_halt(struct pg_cluster *cluster);
void pg_cluster_resume(struct pg_cluster *cluster);

const char *pg_cluster_url(const struct pg_cluster *cluster); /* by socket, database "postgres" */
int pg_cluster_port(const struct pg_cluster *cluster);        /* on 127.0.0.1 */
const char *pg_cluster_database_url(struct pg_cluster *cluster,
                                    const char *database); /* until the next call */
const char *pg_cluster_role_url(struct pg_cluster *cluster, const char *database,
                                const char *role); /* until the next call, too */
/* The same through PgBouncer in transaction mode, which is started by the first call and has fewer
 * connections to the server than its clients. Prints SKIPPED and exits 77 when it is not installed.
 */
const char *pg_cluster_pooled_url(struct pg_cluster *cluster, const char *database,
                                  const char *role);
/* What SQL run by this program finds without a schema's name; NULL: public. */
void pg_cluster_set_search_path(struct pg_cluster *cluster, const char *database,
                                const char *schema);
/* Runs SQL with psql in a database; the answer (unaligned rows, no last newline) until the next
 * call. Fails the test when the SQL fails. */
const char *pg_cluster_sql(struct pg_cluster *cluster, const char *database, const char *sql);
/* The same, but only tells whether it succeeded. */
bool pg_cluster_try_sql(struct pg_cluster *cluster, const char *database, const char *sql);
bool pg_cluster_try_sql_as(struct pg_cluster *cluster, const char *database, const char *role,
                           const char *sql);
void pg_cluster_make_database(struct pg_cluster *cluster, const char *database); /* anew */

#endif
