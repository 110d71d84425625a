#include "worker/config.h"

#include <inttypes.h>
#include <string.h>

#include "worker/base/memory.h"

enum kind { KIND_TEXT, KIND_SECRET, KIND_BYTES, KIND_MS, KIND_COUNT, KIND_FLAG, KIND_CHOICE };

struct row {
    enum kind kind;
    size_t offset; /* into struct config */
    const char *name, *fallback, *low, *high, *help;
};

static const struct row ROWS[] = {
#define X(kind_, field, name_, fallback_, low_, high_, help_) \
    {KIND_##kind_, offsetof(struct config, field), name_, fallback_, low_, high_, help_},
#include "worker/config.def"
#undef X
};

/* ---- one value ------------------------------------------------------------------------------- */

static bool parse_number(enum kind kind, struct text text, uint64_t *ret_value)
{
    if (kind == KIND_BYTES)
        return text_parse_bytes(text, ret_value);
    if (kind == KIND_MS)
        return text_parse_ms(text, ret_value);
    return text_parse_u64(text, ret_value);
}

static bool set_number(const struct row *row, struct text value, void *field)
{
    uint64_t number, low, high;
    if (!parse_number(row->kind, value, &number) ||
        !parse_number(row->kind, text_from(row->low), &low) ||
        !parse_number(row->kind, text_from(row->high), &high) || number < low || number > high)
        return false;
    if (row->kind == KIND_COUNT)
        *(uint32_t *)field = (uint32_t)number;
    else
        *(uint64_t *)field = number;
    return true;
}

static bool set_choice(const struct row *row, struct text value, unsigned *field)
{
    struct text rest = text_from(row->low);
    for (unsigned i = 0; rest.bytes; i++) {
        if (text_equal_nocase(text_cut(rest, '|', &rest), value)) {
            *field = i;
            return true;
        }
    }
    return false;
}

static bool set_flag(struct text value, bool *field)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        bool is_yes = text_equal_nocase(value, text_from(yes[i]));
        if (is_yes || text_equal_nocase(value, text_from(no[i]))) {
            *field = is_yes;
            return true;
        }
    }
    return false;
}

static bool set_value(const struct row *row, struct text value, struct config *config)
{
    void *field = (char *)config + row->offset;
    switch (row->kind) {
    case KIND_TEXT:
    case KIND_SECRET:
        *(struct text *)field = (struct text){xstrdup(value), value.bytes};
        return true;
    case KIND_BYTES:
    case KIND_MS:
    case KIND_COUNT:
        return set_number(row, value, field);
    case KIND_FLAG:
        return set_flag(value, field);
    case KIND_CHOICE:
        return set_choice(row, value, field);
    }
    return false;
}

static void describe_bounds(const struct row *row, struct buffer *out)
{
    switch (row->kind) {
    case KIND_BYTES:
    case KIND_COUNT:
    case KIND_MS:
        buffer_format(out, "a %s from %s to %s",
                      row->kind == KIND_MS      ? "duration with its unit"
                      : row->kind == KIND_BYTES ? "size"
                                                : "whole number",
                      row->low, row->high);
        return;
    case KIND_FLAG:
        buffer_format(out, "true or false");
        return;
    case KIND_CHOICE:
        buffer_format(out, "one of %s", row->low);
        return;
    case KIND_TEXT:
    case KIND_SECRET:
        return;
    }
}

/* A secret may lie in a file: <NAME>_FILE. Its line end is not part of it. */
static bool read_secret_file(const struct environment *environment, const struct row *row,
                             struct buffer *ret_value, struct buffer *problems)
{
    char name[128];
    struct error err;
    const char *path = text_format(name, sizeof(name), "%s_FILE", row->name)
                           ? environment_get(environment, name)
                           : NULL;
    if (!path || !path[0])
        return true;
    if (!environment_read_file(path, ret_value, &err)) {
        buffer_format(problems, "%s: %s\n", name, err.message);
        return false;
    }
    return true;
}

static bool load_row(const struct environment *environment, const struct row *row,
                     struct config *config, struct buffer *problems)
{
    const char *given = environment_get(environment, row->name);
    struct text value = given && given[0] ? text_trim(text_from(given)) : text_from(row->fallback);
    AUTO_BUFFER struct buffer secret = buffer_new(64 * 1024);
    bool is_read = true;
    if (row->kind == KIND_SECRET && !(given && given[0])) {
        is_read = read_secret_file(environment, row, &secret, problems);
        if (is_read && secret.bytes)
            value = text_trim(buffer_text(&secret));
    }
    bool is_good = set_value(row, value, config);
    if (!is_good) {
        buffer_format(problems, "%s=%.*s: must be ", row->name, TEXT_ARGS(value));
        describe_bounds(row, problems);
        buffer_append_char(problems, '\n');
        /* What is checked next shall not complain about a value that nobody gave. */
        (void)set_value(row, text_from(row->fallback), config);
    }
    if (secret.data)
        secret_wipe(secret.data, secret.bytes);
    return is_read && is_good;
}

/* ---- what is missing ------------------------------------------------------------------------- */

static bool require(bool is_there, struct buffer *problems, const char *names, const char *why)
{
    if (!is_there)
        buffer_format(problems, "%s: is not set (%s)\n", names, why);
    return is_there;
}

static bool check_needs(const struct config *config, unsigned needs, struct buffer *problems)
{
    bool is_good = true;
    bool is_pinecone = config->vector_store == CONFIG_PINECONE;
    bool is_file = text_starts_with(config->s3_endpoint, TEXT("file://"));
    if (needs & NEED_KAFKA) {
        is_good &= require(config->kafka_brokers.bytes, problems, "KAFKA_BROKERS", "host:port");
        is_good &= require(config->kafka_topic.bytes, problems, "KAFKA_TOPIC",
                           "the topic of the S3 event notifications");
    }
    if (needs & NEED_OBJECTS)
        is_good &= require(config->bucket_count || is_file, problems, "S3_BUCKET",
                           "the buckets whose events are taken");
    if (needs & NEED_EMBED)
        is_good &= require(config->embedder == CONFIG_LOCAL || config->openai_api_key.bytes,
                           problems, "OPENAI_API_KEY", "or MILLRACE_EMBEDDER=local");
    if ((needs & NEED_VECTORS) && is_pinecone) {
        is_good &= require(config->pinecone_api_key.bytes, problems, "PINECONE_API_KEY",
                           "or VECTOR_STORE=postgres");
        is_good &= require(config->pinecone_index_host.bytes || config->pinecone_index_name.bytes,
                           problems, "PINECONE_INDEX_HOST or PINECONE_INDEX_NAME", "the index");
    }
    if ((needs & NEED_DATABASE) || ((needs & NEED_VECTORS) && !is_pinecone))
        is_good &= require(config->conninfo.bytes, problems, "DATABASE_URL",
                           "or DATABASE_HOST, DATABASE_NAME, ... or PGHOST, PGDATABASE, ...");
    return is_good;
}

static bool check_sense(const struct config *config, struct buffer *problems)
{
    double price = 0;
    if (config->token_price.bytes &&
        (!text_parse_double(config->token_price, &price) || !(price >= 0 && price < 1e9))) {
        buffer_format(problems, "MILLRACE_TOKEN_PRICE=%.*s: must be a price such as 0.13\n",
                      TEXT_ARGS(config->token_price));
        return false;
    }
    bool is_between = config->chunk_tokens_min <= config->chunk_tokens &&
                      config->chunk_tokens <= config->chunk_tokens_max;
    bool is_small = config->chunk_overlap <= config->chunk_tokens / 2;
    if (!is_between)
        buffer_format(problems,
                      "MILLRACE_CHUNK_TOKENS: must lie between MILLRACE_CHUNK_TOKENS_MIN (%u) "
                      "and MILLRACE_CHUNK_TOKENS_MAX (%u)\n",
                      config->chunk_tokens_min, config->chunk_tokens_max);
    if (!is_small)
        buffer_format(
            problems,
            "MILLRACE_CHUNK_OVERLAP: must be at most half of MILLRACE_CHUNK_TOKENS (%u)\n",
            config->chunk_tokens);
    return is_between && is_small;
}

/* ---- names that are not ours, and names that nearly are -------------------------------------- */

static const struct {
    const char *wrong, *right;
} NEAR_MISSES[] = {
    {"KAFKA_BROKER", "KAFKA_BROKERS"},
    {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_BROKERS"},
    {"KAFKA_TOPICS", "KAFKA_TOPIC"},
    {"KAFKA_GROUP_ID", "KAFKA_GROUP"},
    {"KAFKA_CONSUMER_GROUP", "KAFKA_GROUP"},
    {"S3_BUCKET_NAME", "S3_BUCKET"},
    {"AWS_S3_BUCKET", "S3_BUCKET"},
    {"S3_BUCKETS", "S3_BUCKET"},
    {"S3_ENDPOINT_URL", "S3_ENDPOINT"},
    {"AWS_ENDPOINT_URL", "S3_ENDPOINT"},
    {"OPENAI_MODEL", "OPENAI_EMBEDDING_MODEL"},
    {"EMBEDDING_MODEL", "OPENAI_EMBEDDING_MODEL"},
    {"OPENAI_KEY", "OPENAI_API_KEY"},
    {"OPENAI_API_BASE", "OPENAI_BASE_URL"},
    {"EMBEDDING_DIMENSION", "EMBEDDING_DIMENSIONS"},
    {"PINECONE_INDEX", "PINECONE_INDEX_NAME"},
    {"PINECONE_HOST", "PINECONE_INDEX_HOST"},
    {"PINECONE_KEY", "PINECONE_API_KEY"},
    {"VECTORSTORE", "VECTOR_STORE"},
    {"DATABASE_PASS", "DATABASE_PASSWORD"},
    {"DATABASE_USERNAME", "DATABASE_USER"},
    {"DATABASE_DB", "DATABASE_NAME"},
    {"DB_URL", "DATABASE_URL"},
};

static void warn_of_near_misses(const struct environment *environment, struct buffer *problems)
{
    for (size_t i = 0; i < COUNT_OF(NEAR_MISSES); i++)
        if (environment_get(environment, NEAR_MISSES[i].wrong) &&
            !environment_get(environment, NEAR_MISSES[i].right))
            buffer_format(problems, "warning: %s is not read; did you mean %s?\n",
                          NEAR_MISSES[i].wrong, NEAR_MISSES[i].right);
}

static bool is_known(struct text name)
{
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct text row = text_from(ROWS[i].name);
        bool is_file_of = ROWS[i].kind == KIND_SECRET && text_starts_with(name, row) &&
                          text_equal(text_slice(name, row.bytes, name.bytes), TEXT("_FILE"));
        if (text_equal(name, row) || is_file_of)
            return true;
    }
    return false;
}

/* Kubernetes injects MILLRACE_SERVICE_HOST and its kin for a service named millrace. */
static bool is_service_link(struct text name)
{
    size_t at;
    return text_ends_with(name, TEXT("_PORT")) || text_ends_with(name, TEXT("_SERVICE_HOST")) ||
           text_find(name, TEXT("_SERVICE_PORT"), &at) || text_find(name, TEXT("_PORT_"), &at);
}

static bool check_names(const struct environment *environment, struct buffer *problems)
{
    bool is_good = true;
    for (size_t i = 0; i < environment->count; i++) {
        struct text name = text_from(environment->variables[i].name);
        if (!text_starts_with(name, TEXT("MILLRACE_")) || is_known(name) || is_service_link(name))
            continue;
        buffer_format(problems, "%.*s: there is no such option (see `millrace work --help`)\n",
                      TEXT_ARGS(name));
        is_good = false;
    }
    return is_good;
}

/* ---- lists and the database ------------------------------------------------------------------ */

static bool split_buckets(struct config *config, struct buffer *problems)
{
    struct text rest = config->s3_bucket;
    while (rest.bytes) {
        struct text bucket = text_trim(text_cut(rest, ',', &rest));
        if (bucket.bytes == 0)
            continue;
        if (config->bucket_count == CONFIG_LIST_MAX) {
            buffer_format(problems, "S3_BUCKET: names more than %d buckets\n", CONFIG_LIST_MAX);
            return false;
        }
        config->buckets[config->bucket_count++] = bucket;
    }
    return true;
}

/* KAFKA_PROP_SASL_MECHANISM=PLAIN -> sasl.mechanism=PLAIN */
static bool collect_properties(const struct environment *environment, struct config *config,
                               struct buffer *problems)
{
    const struct text prefix = TEXT("KAFKA_PROP_");
    for (size_t i = 0; i < environment->count; i++) {
        struct text name = text_from(environment->variables[i].name);
        if (!text_starts_with(name, prefix))
            continue;
        if (config->kafka_property_count == CONFIG_LIST_MAX) {
            buffer_format(problems, "KAFKA_PROP_*: more than %d properties\n", CONFIG_LIST_MAX);
            return false;
        }
        char *property = xstrdup(text_slice(name, prefix.bytes, name.bytes));
        for (char *at = property; *at; at++)
            *at = *at == '_' ? '.' : *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
        struct text value = text_from(environment->variables[i].value);
        config->kafka_properties[config->kafka_property_count++] =
            (struct config_property){text_from(property), {xstrdup(value), value.bytes}};
    }
    return true;
}

/* A partition whose queue is full is looked at again after a second only: what the queue holds is
 * what the partition gives in a second, at most. S3 events have 0.7 to 2 KB. */
static const struct {
    const char *property;
    uint64_t enough;
    const char *holds;
} PREFETCHES[] = {
    {"queued.min.messages", 10000, "as many events"},
    {"queued.max.messages.kbytes", 4096, "as many KiB of events"},
};

static void warn_of_small_prefetch(const struct config *config, struct buffer *problems)
{
    for (size_t i = 0; i < config->kafka_property_count; i++)
        for (size_t j = 0; j < COUNT_OF(PREFETCHES); j++) {
            const struct config_property *set = &config->kafka_properties[i];
            uint64_t value;
            if (text_equal(set->name, text_from(PREFETCHES[j].property)) &&
                text_parse_u64(set->value, &value) && value < PREFETCHES[j].enough)
                buffer_format(problems,
                              "warning: %s=%" PRIu64 ": a partition gives no more than about %s in "
                              "a second; leave it out, or set it to %" PRIu64 " at least\n",
                              set->name.start, value, PREFETCHES[j].holds, PREFETCHES[j].enough);
        }
}

static void add_keyword(struct buffer *out, const char *keyword, struct text value)
{
    if (value.bytes == 0)
        return;
    buffer_format(out, "%s%s='", out->bytes ? " " : "", keyword);
    for (size_t i = 0; i < value.bytes; i++) {
        if (value.start[i] == '\'' || value.start[i] == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, value.start[i]);
    }
    buffer_append_char(out, '\'');
}

/* "postgresql+asyncpg://..." is what other languages write for the same thing. */
static void add_url(struct buffer *out, struct text url)
{
    size_t plus, slashes;
    if (text_find(url, TEXT("://"), &slashes) && text_find(url, TEXT("+"), &plus) &&
        plus < slashes) {
        buffer_append_text(out, text_slice(url, 0, plus));
        url = text_slice(url, slashes, url.bytes);
    }
    buffer_append_text(out, url);
}

/* DATABASE_URL before DATABASE_* before PG*. */
static void make_conninfo(const struct environment *environment, struct config *config)
{
    static const struct {
        const char *name, *keyword;
    } pg[] = {{"PGHOST", "host"},         {"PGHOSTADDR", "hostaddr"},
              {"PGPORT", "port"},         {"PGDATABASE", "dbname"},
              {"PGUSER", "user"},         {"PGPASSWORD", "password"},
              {"PGSSLMODE", "sslmode"},   {"PGSSLROOTCERT", "sslrootcert"},
              {"PGPASSFILE", "passfile"}, {"PGSERVICE", "service"}};
    AUTO_BUFFER struct buffer out = buffer_new(16 * 1024);
    if (config->database_url.bytes) {
        add_url(&out, config->database_url);
    } else if (config->database_host.bytes || config->database_name.bytes) {
        add_keyword(&out, "host", config->database_host);
        add_keyword(&out, "port", config->database_port);
        add_keyword(&out, "dbname", config->database_name);
        add_keyword(&out, "user", config->database_user);
        add_keyword(&out, "password", config->database_password);
    } else {
        for (size_t i = 0; i < COUNT_OF(pg); i++)
            add_keyword(&out, pg[i].keyword, text_from(environment_get(environment, pg[i].name)));
    }
    config->conninfo = (struct text){xstrdup(buffer_text(&out)), out.bytes};
    if (out.data)
        secret_wipe(out.data, out.bytes);
}

/* ---- public ---------------------------------------------------------------------------------- */

bool config_load(const struct environment *environment, unsigned needs, struct config *ret_config,
                 struct buffer *problems)
{
    bool is_good = check_names(environment, problems);
    *ret_config = (struct config){.environment = environment};
    for (size_t i = 0; i < COUNT_OF(ROWS); i++)
        is_good &= load_row(environment, &ROWS[i], ret_config, problems);
    is_good &= split_buckets(ret_config, problems);
    is_good &= collect_properties(environment, ret_config, problems);
    make_conninfo(environment, ret_config);
    is_good &= check_needs(ret_config, needs, problems);
    is_good &= check_sense(ret_config, problems);
    warn_of_near_misses(environment, problems);
    warn_of_small_prefetch(ret_config, problems);
    return is_good;
}

static void free_text(struct text text)
{
    if (text.start) {
        char *memory = (char *)text.start; /* config_load()'s own copy */
        secret_wipe(memory, text.bytes);
        xfree(memory);
    }
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < COUNT_OF(ROWS); i++)
        if (ROWS[i].kind == KIND_TEXT || ROWS[i].kind == KIND_SECRET)
            free_text(*(struct text *)((char *)config + ROWS[i].offset));
    for (size_t i = 0; i < config->kafka_property_count; i++) {
        free_text(config->kafka_properties[i].name);
        free_text(config->kafka_properties[i].value);
    }
    free_text(config->conninfo);
    *config = (struct config){0};
}

void config_describe(struct buffer *out, bool is_markdown)
{
    if (is_markdown)
        buffer_format(out, "| name | default | what it is |\n|---|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        const struct row *row = &ROWS[i];
        const char *tick = row->fallback[0] ? "`" : "";
        if (is_markdown)
            buffer_format(out, "| `%s` | %s%s%s | %s |\n", row->name, tick, row->fallback, tick,
                          row->help);
        else
            buffer_format(out, "%s %s%s%s%s\n", row->name, row->help, row->fallback[0] ? " [" : "",
                          row->fallback, row->fallback[0] ? "]" : "");
    }
}
