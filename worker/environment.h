/*
 * environment.h - the variables a program was started with: the process's own, then a .env file's.
 *
 * Owns:   copies of all of them; wiped at release.
 * Thread: start-up only.
 */
#ifndef WORKER_ENVIRONMENT_H
#define WORKER_ENVIRONMENT_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"

struct variable {
    char *name, *value; /* NUL-terminated */
};

struct environment {
    struct variable *variables;
    size_t count;
};

/* environ is the C library's; a name that is there already keeps its first value. */
void environment_add_all(struct environment *environment, char *const *environ_list);
/* NAME=value lines, `export ` allowed, # comments, single or double quotes. ERR_CONFIG with the
 * line. */
bool environment_add_text(struct environment *environment, struct text content,
                          struct error *err) MUST_CHECK;
bool environment_add_file(struct environment *environment, const char *path,
                          struct error *err) MUST_CHECK;
/* A whole small file: secrets of <NAME>_FILE. ERR_CONFIG. */
bool environment_read_file(const char *path, struct buffer *ret_content,
                           struct error *err) MUST_CHECK;
void environment_set(struct environment *environment, struct text name,
                     struct text value); /* replaces */
const char *environment_get(const struct environment *environment,
                            const char *name); /* NULL: not set */
void environment_release(struct environment *environment);

#endif
