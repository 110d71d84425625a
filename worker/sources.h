/*
 * sources.h - what a command line or a manifest names, as documents: files and folders of this
 *             machine, objects and prefixes of a bucket, https links.
 *
 * Flow:   sources_add_argument() or sources_add_manifest(), sources_look() at what lies elsewhere,
 *         sources_close() to find twins. Whatever cannot be taken becomes a fault, all of them are
 *         collected; what is passed over within a folder or prefix is noted.
 * Owns:   all it collects, until sources_release(). Borrows its options.
 * Thread: the loop thread, outside of callbacks; reading folders blocks.
 */
#ifndef WORKER_SOURCES_H
#define WORKER_SOURCES_H

#include "worker/app.h"
#include "worker/base/crypto.h"
#include "worker/model/document.h"
#include "worker/model/tenant.h"

#define SOURCES_MAX 100000 /* documents of a job */

enum source_kind { SOURCE_FILE, SOURCE_OBJECT, SOURCE_LINK };

struct source_place {     /* who named it */
    const char *manifest; /* NULL: the command line */
    uint64_t line;
};

struct source {
    enum source_kind kind;
    bool needs_look; /* nobody has seen yet whether it is there */
    bool is_final;   /* the submitter's: its item has an outcome already */
    struct source_place place;
    char *name;           /* what may be shown: a path, s3://bucket/key, a link without its query */
    char *title;          /* NULL: the file's name */
    char *link;           /* SOURCE_LINK; a secret */
    char *etag;           /* SOURCE_OBJECT */
    char *key;            /* users/<uuid>/... */
    struct text bucket;   /* of its document; borrowed from the configuration or LINK_BUCKET */
    uint64_t bytes;       /* 0: a link does not say */
    uint64_t modified_ms; /* SOURCE_OBJECT: Last-Modified since 1970, 0 when unknown */
};

struct source_note { /* a fault, or what was passed over */
    struct source_place place;
    char *text;
};
struct source_notes {
    struct source_note *items;
    size_t count;
};

struct sources_options {
    const struct config *config;
    const struct tenant *tenant;
    bool trusts_links; /* they are not asked for before */
};

struct source_prefix;
struct sources {
    struct sources_options options;
    struct source *items;
    size_t count, file_count;
    bool has_too_many;
    uint64_t bytes;
    struct source_notes faults, skipped;
    struct source_prefix *prefixes; /* to be listed */
    size_t prefix_count;
};

/* A file, a folder, s3://bucket/prefix, or an https link. */
void sources_add_argument(struct sources *sources, const char *word);
void sources_add_manifest(struct sources *sources, const char *path);
/* Lists prefixes and looks at objects and links. False: the bucket's service fails. */
bool sources_look(struct sources *sources, struct app *app, struct error *err) MUST_CHECK;
/* Notes twins as faults; sorts documents by key, faults by where they are. */
void sources_close(struct sources *sources);
void sources_release(struct sources *sources);

/* After sources_close(); NULL: it is none of them. */
struct source *sources_find(const struct sources *sources, struct text bucket, struct text key);
struct document source_document(const struct source *source);
struct text source_title(const struct source *source);
/* SHA-256 of which documents they are and what they hold: the bytes of files, the eTags of objects.
 * ERR_INPUT when a file cannot be read. */
bool sources_digest(const struct sources *sources, char ret_hex[2 * SHA256_BYTES + 1],
                    struct error *err) MUST_CHECK;

#endif
