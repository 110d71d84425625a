/*
 * config.h - the options: environment only, one declarative table (config.def), read once.
 *
 * Owns:   copies of all texts, until config_release() (secrets are wiped).
 * Thread: start-up; immutable afterwards.
 */
#ifndef WORKER_CONFIG_H
#define WORKER_CONFIG_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"
#include "worker/environment.h"

#define CONFIG_LIST_MAX 32

enum config_need {
    NEED_KAFKA = 1 << 0,
    NEED_OBJECTS = 1 << 1,
    NEED_EMBED = 1 << 2,
    NEED_VECTORS = 1 << 3,
    NEED_DATABASE = 1 << 4,
};
enum config_vector_store { CONFIG_PINECONE, CONFIG_POSTGRES, CONFIG_PGVECTOR };
enum config_embedder { CONFIG_OPENAI, CONFIG_LOCAL };
enum config_tokenizer { CONFIG_TOKENIZER_AUTO, CONFIG_TOKENIZER_CL100K, CONFIG_TOKENIZER_BYTES };

#define CONFIG_TYPE_TEXT struct text /* NUL-terminated */
#define CONFIG_TYPE_SECRET struct text
#define CONFIG_TYPE_BYTES uint64_t
#define CONFIG_TYPE_MS uint64_t
#define CONFIG_TYPE_COUNT uint32_t
#define CONFIG_TYPE_FLAG bool
#define CONFIG_TYPE_CHOICE unsigned

struct config_property {
    struct text name, value; /* librdkafka's, NUL-terminated */
};

struct config {
#define X(kind, field, name, fallback, low, high, help) CONFIG_TYPE_##kind field;
#include "worker/config.def"
#undef X
    struct text conninfo; /* of PostgreSQL, made of the DATABASE_* or PG* variables; secret */
    struct text buckets[CONFIG_LIST_MAX];
    size_t bucket_count;
    struct config_property kafka_properties[CONFIG_LIST_MAX];
    size_t kafka_property_count;
    const struct environment *environment; /* borrowed: the AWS credential chain reads it */
};

/* needs: which groups must be complete (enum config_need). Problems go to *problems, one line each,
 * all of them at once; false when one of them stops start-up. Lines that begin with "warning:" do
 * not. */
bool config_load(const struct environment *environment, unsigned needs, struct config *ret_config,
                 struct buffer *problems) MUST_CHECK;
void config_release(struct config *config);
/* The table: "NAME help [default]" a line, or as Markdown for docs/configuration.md. */
void config_describe(struct buffer *out, bool is_markdown);

#endif
