/*
 * tokens_scan.h - where the pieces of a text end. Private to tokens*.c.
 *
 * Thread: any.
 */
#ifndef CHUNKER_TOKENS_SCAN_H
#define CHUNKER_TOKENS_SCAN_H

#include "worker/base/text.h"

/* at: where a piece begins, before text.bytes. Returns where it ends. */
size_t tokens_scan(struct text text, size_t at);

#endif
