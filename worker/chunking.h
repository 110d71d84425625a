/*
 * chunking.h - what the configuration says about cutting texts.
 *
 * Thread: any.
 */
#ifndef WORKER_CHUNKING_H
#define WORKER_CHUNKING_H

#include "chunker/chunker.h"
#include "worker/config.h"

/* Tokens are counted exactly for models that read cl100k_base and for the local embedder (which has
 * no limits of its own), in bytes for all others, unless MILLRACE_TOKENIZER says. */
struct chunker_options chunking_of(const struct config *config);
/* All of it that decides where a text is cut, in a few words. */
void chunking_describe(const struct config *config, struct buffer *out);

#endif
