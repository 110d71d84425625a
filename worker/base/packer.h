/*
 * packer.h - short texts that are much alike in less memory, by a dictionary of what they share.
 *
 * Made to cost next to nothing (LZ4: a microsecond a KiB), so that whatever has to wait for long
 * may be packed at once.
 * Owns:   about 16 KiB; a packed text is the caller's.
 * Errors: a text that does not get smaller is not packed; one that cannot be unpacked is our bug.
 * Thread: any, one at a time.
 */
#ifndef WORKER_BASE_PACKER_H
#define WORKER_BASE_PACKER_H

#include "worker/base/text.h"

struct packer;
struct packer *packer_new(struct text dictionary); /* borrowed for the packer's life */
void packer_free(struct packer *packer);           /* NULL is allowed */
/* Bytes written to packed, which has room for room bytes; 0: they do not suffice. */
size_t packer_pack(struct packer *packer, struct text plain, char *packed, size_t room);
/* Into plain, whose size was kept. */
void packer_unpack(struct packer *packer, struct text packed, char *plain, size_t plain_bytes);

#endif
