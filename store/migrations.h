/*
 * migrations.h - the SQL of store/migrations, embedded at build time (embed_sql.cmake).
 */
#ifndef STORE_MIGRATIONS_H
#define STORE_MIGRATIONS_H

#include <stddef.h>

struct migration {
    const char *name; /* "0001_control" */
    const char *sql;
};
/* In order: the schema's version is the count of those that were run. */
extern const struct migration MIGRATIONS[];
extern const size_t MIGRATION_COUNT;
/* Run after them, each time: */
extern const char SETTINGS_SQL[];
extern const char ROLES_SQL[];
extern const char INDEXES_SQL[]; /* one statement, whose rows are statements to be run alone */

#endif
