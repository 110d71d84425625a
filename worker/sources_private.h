/* Between the files of sources. */
#ifndef WORKER_SOURCES_PRIVATE_H
#define WORKER_SOURCES_PRIVATE_H

#include "worker/sources.h"

struct source_prefix {
    char *name; /* as it was written */
    struct text bucket;
    char *key; /* of an object, or of the folder without its slash */
};

/* Sentence of a fault; the place is where it was named. */
void sources_fault(struct sources *sources, struct source_place place, const char *format, ...)
    PRINTF_LIKE(3, 4);
void sources_skip(struct sources *sources, struct text name, const char *why);
/* Gives a key to what is filled in but for it, and takes it; a key that is none is a fault. */
void sources_take(struct sources *sources, struct source *source, struct text key);

/* path: the file; key_path: below the tenant's prefix. Named: nothing may be wrong with it. */
void sources_add_file(struct sources *sources, struct source_place place, const char *path,
                      struct text key_path, struct text title);
void sources_add_found_file(struct sources *sources, const char *path, struct text key_path,
                            uint64_t bytes);
void sources_add_link(struct sources *sources, struct source_place place, struct text link,
                      struct text title);
void sources_add_object(struct sources *sources, struct source_place place, struct text bucket,
                        struct text key, struct text title);
/* s3://bucket/key in its parts; the bucket is one of the configuration's. False: a fault. */
bool sources_split_object(struct sources *sources, struct source_place place, struct text word,
                          struct text *ret_bucket, struct text *ret_key) MUST_CHECK;
/* The folder and all below it. */
void sources_add_folder(struct sources *sources, const char *path);

#endif
