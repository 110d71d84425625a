/*
 * pinecone_index.h - which host an index lives on, asked of Pinecone's control plane by its name.
 *
 * Thread: the loop thread, at start-up: runs the loop until the answer is there (10 s at most).
 */
#ifndef STORE_PINECONE_INDEX_H
#define STORE_PINECONE_INDEX_H

#include "store/vectors.h"

/* options: controller, index_name, api_key, api_version. ERR_CONFIG: no such index. */
bool pinecone_find_host(struct loop *loop, const struct vectors_options *options,
                        struct buffer *ret_host, struct error *err) MUST_CHECK;

#endif
