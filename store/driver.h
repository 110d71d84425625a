/*
 * driver.h - what a vector store has to offer behind vectors.h: a table of operations.
 *
 * vectors.c has checked the request (tenant there, counts in bounds, vectors usable) before a
 * driver sees it. A driver answers with vectors_answer(), once, in a later turn of the loop.
 * Owns:   each driver its own state, from open to on_closed.
 * Thread: the loop thread.
 */
#ifndef STORE_DRIVER_H
#define STORE_DRIVER_H

#include "store/vectors.h"

enum vectors_operation {
    VECTORS_UPSERT,
    VECTORS_DELETE,
    VECTORS_FETCH,
    VECTORS_QUERY,
    VECTORS_LIST,
    VECTORS_NAMESPACES,
    VECTORS_OPERATION_COUNT
};

struct vectors_driver {
    unsigned capabilities; /* enum vectors_capability */
    void *(*open)(struct loop *loop, const struct vectors_options *options, struct error *err);
    void (*start)(void *driver, enum vectors_operation operation, struct vectors_request *request);
    void (*cancel)(void *driver, struct vectors_request *request);
    void (*check)(void *driver, struct vectors_probe *probe);
    void (*close)(void *driver, void (*on_closed)(void *arg), void *arg);
};

extern const struct vectors_driver PINECONE_DRIVER;
extern const struct vectors_driver PGVECTOR_DRIVER;

#endif
