/* Writes zip containers for tests: honest ones, and such as lie. */
#ifndef TESTS_UNIT_ZIP_WRITER_H
#define TESTS_UNIT_ZIP_WRITER_H

#include "worker/base/buffer.h"

#define ZIP_WRITER_MEMBERS_MAX 2000

struct zip_writer {
    struct buffer out, directory;
    unsigned count;
    uint32_t claimed_bytes; /* not 0: what the next member's directory entry says of its size */
    bool is_encrypted;      /* what the next member's flags say */
};

void zip_writer_begin(struct zip_writer *writer);
void zip_writer_store(struct zip_writer *writer, const char *name, struct text content);
void zip_writer_deflate(struct zip_writer *writer, const char *name, struct text content);
/* The whole container; valid until the writer is released. */
struct text zip_writer_end(struct zip_writer *writer);
void zip_writer_release(struct zip_writer *writer);

#endif
