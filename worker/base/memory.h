/*
 * memory.h - allocation that cannot fail, for start-up and small fixed structs.
 *
 * Running out aborts: Kafka redelivers what was in flight, and budgets (arena, doors) keep sizes
 * that come from outside away from here.
 * Thread: any.
 */
#ifndef WORKER_BASE_MEMORY_H
#define WORKER_BASE_MEMORY_H

#include "worker/base/text.h"

void *xmalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t bytes) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *memory, size_t count, size_t bytes) __attribute__((returns_nonnull));
void xfree(void *memory);        /* NULL is allowed */
char *xstrdup(struct text text); /* NUL-terminated copy; xfree() it */
void secret_wipe(void *memory, size_t bytes);

void cleanup_free(void *pointer); /* for the attribute below only */
void cleanup_fd(int *fd);
#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define AUTO_FD __attribute__((cleanup(cleanup_fd)))

#endif
