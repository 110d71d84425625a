#include "store/pinecone_codec.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "store/floats.h"
#include "worker/base/json.h"
#include "worker/base/json_pull.h"
#include "worker/base/memory.h"
#include "worker/base/sigv4.h"

bool vector_is_usable(const float *vector, uint32_t dimension_count)
{
    bool has_weight = false;
    for (uint32_t i = 0; i < dimension_count; i++) {
        if (!isfinite(vector[i]))
            return false;
        has_weight |= fabsf(vector[i]) >= 1e-8f;
    }
    return has_weight;
}

/* What one character takes in JSON when it is escaped as far as any writer would. */
static size_t escaped_bytes(unsigned char first)
{
    if (first >= 0xf0)
        return 12; /* a pair of surrogates */
    if (first >= 0x80 || first < 0x20 || first == 0x7f)
        return 6;
    return first == '"' || first == '\\' ? 2 : 1;
}

struct text pinecone_text_prefix(struct text text, size_t bytes_max)
{
    size_t cost = 0;
    bool is_clean = text_is_utf8(text);
    for (size_t i = 0; i < text.bytes; i++) {
        unsigned char c = (unsigned char)text.start[i];
        if (is_clean && (c & 0xc0) == 0x80)
            continue; /* inside a character, which is paid */
        cost += escaped_bytes(c);
        if (cost > bytes_max)
            return (struct text){text.start, i};
    }
    return text;
}

static void write_floats(struct json_writer *json, const char *name, const float *values,
                         uint32_t count)
{
    json_open_array(json, name);
    char *at = buffer_reserve(json->out, FLOATS_TEXT_BYTES_MAX((size_t)count));
    if (at)
        json->out->bytes += floats_format(values, count, at);
    json_close_array(json);
}

static void write_metadata(struct json_writer *json, const struct vectors_request *request,
                           const struct chunk *chunk)
{
    char text[SHA256_BYTES * 2 + 1];
    json_open_object(json, "metadata");
    json_write_text(json, "doc", text_from(uuid_format(request->document->id, text)));
    (void)text_format(text, sizeof(text), "%llx", (unsigned long long)request->gen);
    json_write_text(json, "gen", text_from(text)); /* a JSON number would lose its low bits */
    json_write_u64(json, "n", chunk->no);
    json_write_u64(json, "page_first", chunk->page_first);
    json_write_u64(json, "page_last", chunk->page_last);
    hex_format(chunk->hash, sizeof(chunk->hash), text);
    json_write_text(json, "sha", text_from(text));
    json_write_text(json, "text", pinecone_text_prefix(chunk->content, VECTORS_TEXT_BYTES_MAX));
    json_close_object(json);
}

static void write_record(struct json_writer *json, const struct vectors_request *request,
                         const struct chunk *chunk, uint32_t dimension_count)
{
    char id[VECTOR_ID_BYTES_MAX];
    assert(chunk->vector);
    json_open_object(json, NULL);
    json_write_text(
        json, "id",
        text_from(vector_id_format(request->document->id, request->gen, chunk->no, id)));
    write_floats(json, "values", chunk->vector, dimension_count);
    write_metadata(json, request, chunk);
    json_close_object(json);
}

size_t pinecone_write_upsert(struct buffer *out, const struct vectors_request *request,
                             uint32_t dimension_count, size_t from)
{
    struct json_writer json = json_writer_new(out);
    json_open_object(&json, NULL);
    json_write_text(&json, "namespace", text_from(request->tenant->vector_namespace));
    json_open_array(&json, "vectors");
    size_t at = from;
    while (at < request->chunk_count && at - from < PINECONE_RECORDS_MAX) {
        size_t bytes_before = out->bytes;
        struct json_writer before = json;
        write_record(&json, request, request->chunks[at], dimension_count);
        if (out->is_full || out->bytes + 2 > PINECONE_BODY_BYTES_MAX) {
            out->bytes = bytes_before; /* it goes with the next call */
            out->is_full = false;
            json = before;
            break;
        }
        at++;
    }
    json_close_array(&json);
    json_close_object(&json);
    return at;
}

uint32_t pinecone_write_delete(struct buffer *out, const struct vectors_request *request,
                               uint32_t from)
{
    uint32_t end = request->no_end - from > PINECONE_RECORDS_MAX ? from + PINECONE_RECORDS_MAX
                                                                 : request->no_end;
    struct json_writer json = json_writer_new(out);
    json_open_object(&json, NULL);
    json_write_text(&json, "namespace", text_from(request->tenant->vector_namespace));
    json_open_array(&json, "ids");
    for (uint32_t no = from; no < end; no++) {
        char id[VECTOR_ID_BYTES_MAX];
        json_write_text(&json, NULL,
                        text_from(vector_id_format(request->document->id, request->gen, no, id)));
    }
    json_close_array(&json);
    json_close_object(&json);
    return end;
}

void pinecone_write_query(struct buffer *out, const struct vectors_request *request,
                          uint32_t dimension_count)
{
    struct json_writer json = json_writer_new(out);
    json_open_object(&json, NULL);
    json_write_text(&json, "namespace", text_from(request->tenant->vector_namespace));
    json_write_u64(&json, "topK", request->match_max);
    json_write_bool(&json, "includeMetadata", true);
    json_write_bool(&json, "includeValues", false);
    write_floats(&json, "vector", request->query, dimension_count);
    json_close_object(&json);
}

/* A reply of 17-digit numbers stays below about 8 MB. */
static size_t fetch_ids_max(uint32_t dimension_count)
{
    size_t fits = (size_t)8000000 / ((size_t)dimension_count * 24 + VECTORS_TEXT_BYTES_MAX);
    return fits > PINECONE_FETCH_IDS_MAX ? PINECONE_FETCH_IDS_MAX : fits ? fits : 1;
}

size_t pinecone_write_fetch(struct buffer *out, const struct vectors_request *request,
                            uint32_t dimension_count, size_t from)
{
    size_t ids = 0, ids_max = fetch_ids_max(dimension_count);
    size_t at = from;
    for (; at < request->chunk_count && ids < ids_max; at++) {
        if (request->known_no[at] < 0)
            continue;
        if (ids++ == 0)
            buffer_format(out, "namespace=%s", request->tenant->vector_namespace);
        char document[UUID_TEXT_BYTES];
        buffer_format(out, "&ids=%s%%23%llx%%23%lld", uuid_format(request->document->id, document),
                      (unsigned long long)request->gen, (long long)request->known_no[at]);
    }
    return at;
}

static uint32_t page_number(const struct json *value)
{
    double number = json_number(value, 0); /* the store keeps 3 as 3.0 */
    return number >= 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static bool read_match(const struct json *value, struct vectors_match *ret_match)
{
    struct vectors_match match = {.score = json_number(json_member(value, "score"), 0)};
    if (!vector_id_parse(json_member_text(value, "id"), &match.document, &match.gen, &match.no))
        return false;
    const struct json *metadata = json_member(value, "metadata");
    match.page_first = page_number(json_member(metadata, "page_first"));
    match.page_last = page_number(json_member(metadata, "page_last"));
    match.text = xstrdup(json_member_text(metadata, "text"));
    *ret_match = match;
    return true;
}

bool pinecone_read_matches(struct text reply, struct vectors_request *request, struct error *err)
{
    AUTO_JSON struct json *root = json_parse(reply, err);
    if (!root)
        return error_wrap(err, "answer to a query");
    const struct json *matches = json_member(root, "matches");
    if (!json_is_array(matches))
        return error_set(err, ERR_PROTOCOL, "answer to a query: no list of matches");
    size_t count = json_count(matches);
    for (size_t i = 0; i < count && request->match_count < request->match_max; i++)
        if (read_match(json_at(matches, i), &request->matches[request->match_count]))
            request->match_count++;
    return true;
}

struct record { /* of a fetch: raw pieces of the reply */
    uint32_t no;
    struct text values;
    struct text sha; /* hex */
};

static struct text read_sha(struct json_pull *pull)
{
    struct text sha = TEXT_NONE, name;
    bool is_first = true;
    if (json_pull_peek(pull) != '{') {
        json_pull_skip(pull);
        return sha;
    }
    while (json_pull_member(pull, &is_first, &name)) {
        if (text_equal(name, TEXT("sha")) && json_pull_peek(pull) == '"')
            json_pull_string(pull, &sha);
        else
            json_pull_skip(pull);
    }
    return sha;
}

static void fill_rows(const struct record *record, struct vectors_request *request,
                      uint32_t dimension_count)
{
    for (size_t i = 0; i < request->chunk_count; i++) {
        struct chunk *chunk = request->fetched[i];
        char sha[SHA256_BYTES * 2 + 1];
        if (request->known_no[i] != record->no || chunk->vector)
            continue;
        hex_format(chunk->hash, sizeof(chunk->hash), sha);
        float *row = request->vectors + i * dimension_count;
        if (!text_equal(record->sha, text_from(sha)) ||
            !floats_read(record->values, row, dimension_count) ||
            !vector_is_usable(row, dimension_count))
            continue; /* not what Postgres believes: it is embedded anew */
        chunk->vector = row;
        request->fetched_count++;
    }
}

static void read_record(struct json_pull *pull, struct text id, struct vectors_request *request,
                        uint32_t dimension_count)
{
    struct record record = {0};
    struct text name;
    bool is_first = true;
    if (json_pull_peek(pull) != '{') {
        json_pull_skip(pull);
        return;
    }
    while (json_pull_member(pull, &is_first, &name)) {
        if (text_equal(name, TEXT("values")))
            record.values = json_pull_value(pull);
        else if (text_equal(name, TEXT("metadata")))
            record.sha = read_sha(pull);
        else
            json_pull_skip(pull);
    }
    struct uuid document;
    uint64_t gen = 0;
    if (!pull->is_broken && vector_id_parse(id, &document, &gen, &record.no) &&
        uuid_equal(document, request->document->id) && gen == request->gen)
        fill_rows(&record, request, dimension_count);
}

bool pinecone_read_vectors(struct text reply, struct vectors_request *request,
                           uint32_t dimension_count, struct error *err)
{
    struct json_pull pull = json_pull_new(reply);
    struct text name, id;
    bool is_first = true;
    while (json_pull_member(&pull, &is_first, &name)) {
        bool is_first_vector = true;
        if (!text_equal(name, TEXT("vectors")) || json_pull_peek(&pull) != '{') {
            json_pull_skip(&pull);
            continue;
        }
        while (json_pull_member(&pull, &is_first_vector, &id))
            read_record(&pull, id, request, dimension_count);
    }
    return !pull.is_broken ||
           error_set(err, ERR_PROTOCOL, "answer to a fetch: not a JSON object, or cut off");
}

void pinecone_write_list(struct buffer *out, const struct vectors_request *request)
{
    buffer_format(out, "?limit=%d", PINECONE_LIST_MAX);
    if (request->tenant)
        buffer_format(out, "&namespace=%s", request->tenant->vector_namespace);
    if (request->prefix.bytes) {
        buffer_append_text(out, TEXT("&prefix="));
        sigv4_encode(out, request->prefix, 0);
    }
    if (request->cursor->bytes) {
        buffer_append_text(out, TEXT("&paginationToken="));
        sigv4_encode(out, buffer_text(request->cursor), 0);
    }
    buffer_clear(request->cursor);
}

bool pinecone_read_list(struct text reply, const char *member, const char *name,
                        struct vectors_request *request, struct error *err)
{
    AUTO_JSON struct json *root = json_parse(reply, err);
    if (!root)
        return error_wrap(err, "answer to a list");
    const struct json *names = json_member(root, member);
    if (!json_is_array(names))
        return error_set(err, ERR_PROTOCOL, "answer to a list: there are no %s", member);
    for (size_t i = 0; i < json_count(names); i++)
        request->on_name(request, json_member_text(json_at(names, i), name));
    buffer_append_text(request->cursor, json_member_text(json_member(root, "pagination"), "next"));
    return true;
}

bool pinecone_read_upserted(struct text reply, size_t count, struct error *err)
{
    AUTO_JSON struct json *root = json_parse(reply, err);
    uint64_t upserted = 0;
    if (!root)
        return error_wrap(err, "answer to an upsert");
    if (!json_u64(json_member(root, "upsertedCount"), &upserted) || upserted != count)
        return error_set(err, ERR_PROTOCOL, "%llu of %zu vectors were stored",
                         (unsigned long long)upserted, count);
    return true;
}

bool pinecone_read_deleted(struct text reply, struct error *err)
{
    AUTO_JSON struct json *root = json_parse(reply, err);
    if (!root)
        return error_wrap(err, "answer to a delete");
    if (!json_is_object(root))
        return error_set(err, ERR_PROTOCOL, "answer to a delete: not a JSON object");
    return true;
}

bool pinecone_read_stats(struct text reply, uint32_t dimension_count, struct error *err)
{
    AUTO_JSON struct json *root = json_parse(reply, err);
    if (!root)
        return error_wrap(err, "answer to describe_index_stats");
    uint64_t dimension = 0;
    if (!json_u64(json_member(root, "dimension"), &dimension))
        return error_set(err, ERR_PROTOCOL, "answer to describe_index_stats: no dimension");
    struct text metric = json_member_text(root, "metric");
    if (dimension != dimension_count)
        return error_set(err, ERR_STORE_REFUSED, "the index has dimension %llu, not %u",
                         (unsigned long long)dimension, dimension_count);
    if (metric.bytes && !text_equal(metric, TEXT("cosine")))
        return error_set(err, ERR_STORE_REFUSED, "the metric of the index is %.*s, not cosine",
                         TEXT_ARGS(text_slice(metric, 0, 40)));
    return true;
}

/* The message of a refusal in any of its three shapes. */
static void read_message(struct text reply, char message[PINECONE_MESSAGE_BYTES])
{
    struct error ignored;
    AUTO_JSON struct json *root = json_parse(reply, &ignored);
    struct text text = json_member_text(root, "message");
    if (!text.bytes)
        text = json_member_text(json_member(root, "error"), "message");
    if (!text.bytes && !root)
        text = text_trim(reply);
    if (text_starts_with(text, TEXT("<")))
        text = TEXT("(an HTML page)");
    if (!text.bytes)
        text = TEXT("(no message)");
    (void)text_format(message, PINECONE_MESSAGE_BYTES, "%.*s", TEXT_ARGS(text)); /* cut is fine */
}

static enum error_code refusal_code(unsigned status)
{
    if (status == 401 || status == 403)
        return ERR_DENIED;
    if (status == 429)
        return ERR_THROTTLED;
    if (status == 408 || status >= 500)
        return ERR_UNAVAILABLE;
    return status >= 400 ? ERR_STORE_REFUSED : ERR_PROTOCOL;
}

bool pinecone_read_refusal(unsigned status, struct text reply, struct error *err)
{
    char message[PINECONE_MESSAGE_BYTES];
    read_message(reply, message);
    return error_set(err, refusal_code(status), "status %u: %s", status, message);
}

bool pinecone_is_namespace_missing(unsigned status, struct text reply)
{
    struct error ignored;
    AUTO_JSON struct json *root = status == 404 ? json_parse(reply, &ignored) : NULL;
    uint64_t code = 0;
    enum { GRPC_NOT_FOUND = 5 };
    if (json_u64(json_member(root, "code"), &code))
        return code == GRPC_NOT_FOUND;
    return text_equal(json_member_text(json_member(root, "error"), "code"), TEXT("NOT_FOUND"));
}
