#include <string.h>

#include "store/half.h"
#include "store/ledger_internal.h"

#define STAGED_FIELDS 12

/* ---- the binary format of COPY --------------------------------------------------------------- */

static char *write_u32(char *at, uint32_t value)
{
    const unsigned char wire[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                   (unsigned char)(value >> 8), (unsigned char)value};
    memcpy(at, wire, sizeof(wire));
    return at + sizeof(wire);
}

static char *write_u16(char *at, uint16_t value)
{
    const unsigned char wire[2] = {(unsigned char)(value >> 8), (unsigned char)value};
    memcpy(at, wire, sizeof(wire));
    return at + sizeof(wire);
}

static void put_u32(struct buffer *out, uint32_t value)
{
    char wire[4];
    write_u32(wire, value);
    buffer_append(out, wire, sizeof(wire));
}

static void put_u16(struct buffer *out, uint16_t value)
{
    char wire[2];
    write_u16(wire, value);
    buffer_append(out, wire, sizeof(wire));
}

void stage_begin(struct buffer *out)
{
    static const char SIGNATURE[] = "PGCOPY\n\377\r\n"; /* its NUL belongs to it */
    buffer_append(out, SIGNATURE, sizeof(SIGNATURE));
    put_u32(out, 0); /* flags */
    put_u32(out, 0); /* bytes of a header extension */
}

void stage_row(struct buffer *out, int16_t field_count)
{
    put_u16(out, (uint16_t)field_count);
}

void stage_uuid(struct buffer *out, struct uuid id)
{
    put_u32(out, sizeof(id.bytes));
    buffer_append(out, id.bytes, sizeof(id.bytes));
}

void stage_i32(struct buffer *out, int32_t value)
{
    put_u32(out, 4);
    put_u32(out, (uint32_t)value);
}

void stage_i64(struct buffer *out, int64_t value)
{
    put_u32(out, 8);
    put_u32(out, (uint32_t)((uint64_t)value >> 32));
    put_u32(out, (uint32_t)value);
}

void stage_text(struct buffer *out, struct text text)
{
    put_u32(out, (uint32_t)text.bytes);
    buffer_append_text(out, text);
}

static void stage_null(struct buffer *out)
{
    put_u32(out, UINT32_MAX);
}

/* An array of one dimension: its header is 20 bytes, every value has a length before it. */
static void stage_floats(struct buffer *out, const float *values, size_t count)
{
    put_u32(out, (uint32_t)(20 + count * 8));
    put_u32(out, 1); /* dimensions */
    put_u32(out, 0); /* no nulls */
    put_u32(out, PG_FLOAT4);
    put_u32(out, (uint32_t)count);
    put_u32(out, 1); /* the first index */
    char *at = buffer_reserve(out, count * 8);
    for (size_t i = 0; at && i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        at = write_u32(write_u32(at, 4), bits);
    }
    out->bytes += at ? count * 8 : 0;
}

static void stage_halves(struct buffer *out, const float *values, size_t count)
{
    put_u32(out, (uint32_t)(4 + count * 2));
    put_u16(out, (uint16_t)count);
    put_u16(out, 0); /* unused */
    char *at = buffer_reserve(out, count * 2);
    for (size_t i = 0; at && i < count; i++)
        at = write_u16(at, half_bits(values[i]));
    out->bytes += at ? count * 2 : 0;
}

void stage_end(struct buffer *out)
{
    put_u16(out, UINT16_MAX);
}

/* ---- STAGE ----------------------------------------------------------------------------------- */

static struct ledger_stage *stage_of(const struct list_node *node)
{
    return (struct ledger_stage *)container_of(node, struct ledger_stage, waiting);
}

static size_t bytes_of(const struct list_node *node)
{
    const struct ledger_stage *stage = stage_of(node);
    size_t bytes = 0;
    for (size_t i = 0; i < stage->chunk_count; i++) {
        const struct chunk *chunk = stage->chunks[i];
        bytes += chunk->content.bytes + chunk->heading.bytes + 128;
        bytes += chunk->vector ? 8192 : 0; /* near enough: it only bounds a batch */
    }
    return bytes;
}

static void add_chunk(struct buffer *out, const struct ledger *ledger,
                      const struct ledger_stage *stage, const struct chunk *chunk)
{
    const struct ledger_options *options = &ledger->options;
    stage_row(out, STAGED_FIELDS);
    stage_uuid(out, stage->document->id);
    stage_i64(out, (int64_t)stage->fence);
    stage_i32(out, (int32_t)chunk->no);
    stage_i32(out, (int32_t)chunk->page_first);
    stage_i32(out, (int32_t)chunk->page_last);
    stage_i64(out, (int64_t)chunk->char_start);
    stage_i64(out, (int64_t)chunk->char_end);
    stage_text(out, chunk->heading);
    stage_i32(out, (int32_t)chunk->token_count);
    stage_text(out, (struct text){(const char *)chunk->hash, sizeof(chunk->hash)});
    stage_text(out, chunk->content);
    assert(!options->vectors_in_postgres || chunk->vector); /* or it could never be found */
    if (!options->vectors_in_postgres)
        stage_null(out);
    else if (ledger->stages_halves)
        stage_halves(out, chunk->vector, options->dimension_count);
    else
        stage_floats(out, chunk->vector, options->dimension_count);
}

#define COPY_SQL(vector)                                                                  \
    "copy staged_chunks (document_id, gen, chunk_no, page_first, page_last, char_start, " \
    "char_end, heading, token_count, content_hash, content, " vector                      \
    ") from stdin (format binary)"

/* The same row twice (a lost reply) does no harm: FINISH takes each chunk number once. */
static void build(struct batch *batch)
{
    batch->copy_sql =
        batch->ledger->stages_halves ? COPY_SQL("embedding_half") : COPY_SQL("embedding");
    stage_begin(&batch->bytes);
    for (size_t i = 0; i < batch->node_count; i++) {
        const struct ledger_stage *stage = stage_of(batch->nodes[i]);
        for (size_t k = 0; k < stage->chunk_count; k++)
            add_chunk(&batch->bytes, batch->ledger, stage, stage->chunks[k]);
    }
    stage_end(&batch->bytes);
}

static void answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_stage *stage = stage_of(node);
    (void)ledger;
    stage->on_done(stage, err);
}

const struct lane_kind STAGE_KIND = {
    .rows_max = 256,
    .batches_max = 1, /* one COPY connection */
    .is_copy = true,
    .bytes_of = bytes_of,
    .build = build,
    .answer = answer,
};

void ledger_stage(struct ledger *ledger, struct ledger_stage *stage)
{
    ledger_lane_submit(ledger, LANE_STAGE, &stage->waiting);
}

void ledger_stage_halves(struct ledger *ledger, bool is_half)
{
    ledger->stages_halves = is_half;
}

/* ---- KNOWN ----------------------------------------------------------------------------------- */

static struct ledger_known *known_of(const struct list_node *node)
{
    return (struct ledger_known *)container_of(node, struct ledger_known, waiting);
}

/* The table's name is part of the statement: ours alone, [a-z0-9_], derived from the tenant. */
static void write_known(struct buffer *out, const struct ledger *ledger,
                        const struct tenant *tenant)
{
    static const struct text PLACE = {"{chunks}", 8};
    struct text sql = text_from(SQL_KNOWN);
    bool is_shared = !ledger->options.has_user_schemas;
    size_t at;
    while (text_find(sql, PLACE, &at)) {
        buffer_format(out, "%.*s%s%schunks", (int)at, sql.start, is_shared ? "" : tenant->schema,
                      is_shared ? "" : ".");
        sql = text_slice(sql, at + PLACE.bytes, sql.bytes);
    }
    buffer_append_text(out, sql);
}

static void known_build(struct batch *batch)
{
    const struct ledger_known *known = known_of(batch->nodes[0]);
    struct pg_array *hashes = ledger_batch_array(batch, PG_BYTEA),
                    *ids = ledger_batch_array(batch, PG_UUID);
    pg_array_add_uuid(ids, known->document->id);
    for (size_t i = 0; i < known->chunk_count; i++)
        pg_array_add_bytes(hashes, (struct text){(const char *)known->chunks[i]->hash,
                                                 sizeof(known->chunks[i]->hash)});
    write_known(&batch->bytes, batch->ledger, known->tenant);
    struct pg_param params[] = {pg_array_param(ids), batch_i64(batch, (int64_t)known->live_gen),
                                pg_array_param(hashes)};
    ledger_batch_statement(batch, buffer_string(&batch->bytes), params, COUNT_OF(params));
    batch->statements[0].is_dynamic = true;
}

static bool known_take(struct list_node *node, const struct pg_result *result, size_t row)
{
    struct ledger_known *known = known_of(node);
    (void)row;
    for (size_t i = 0; i < known->chunk_count; i++)
        known->known_no[i] = -1;
    for (size_t i = 0; i < pg_row_count(result); i++) {
        uint64_t at, no;
        if (pg_value_u64(result, i, 0, &at) && pg_value_u64(result, i, 1, &no) && at >= 1 &&
            at <= known->chunk_count)
            known->known_no[at - 1] = (int64_t)no;
    }
    return true;
}

static void known_answer(struct ledger *ledger, struct list_node *node, const struct error *err)
{
    struct ledger_known *known = known_of(node);
    (void)ledger;
    known->on_done(known, err);
}

const struct lane_kind KNOWN_KIND = {
    .rows_max = 1,
    .batches_max = 8,
    .may_miss_table = true,
    .build = known_build,
    .take = known_take,
    .answer = known_answer,
};

void ledger_known(struct ledger *ledger, struct ledger_known *known)
{
    ledger_lane_submit(ledger, LANE_KNOWN, &known->waiting);
}
