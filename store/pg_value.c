#include <libpq-fe.h>
#include <string.h>

#include "store/pg_internal.h"

#define ARRAY_BYTES_MAX ((size_t)512 * 1024 * 1024) /* a message of PostgreSQL holds 1 GiB */
#define ARRAY_HEADER_BYTES 20
#define EMPTY_ARRAY_BYTES 12

/* ---- rows ------------------------------------------------------------------------------------ */

size_t pg_row_count(const struct pg_result *result)
{
    return result ? (size_t)PQntuples(result) : 0;
}

struct text pg_value(const struct pg_result *result, size_t row, size_t column)
{
    assert(row < pg_row_count(result) && column < (size_t)PQnfields(result));
    int at = (int)row, field = (int)column;
    if (PQgetisnull(result, at, field))
        return TEXT_NONE;
    return (struct text){PQgetvalue(result, at, field), (size_t)PQgetlength(result, at, field)};
}

bool pg_value_u64(const struct pg_result *result, size_t row, size_t column, uint64_t *ret_value)
{
    return text_parse_u64(pg_value(result, row, column), ret_value);
}

bool pg_value_uuid(const struct pg_result *result, size_t row, size_t column, struct uuid *ret_id)
{
    return uuid_parse(pg_value(result, row, column), ret_id);
}

/* ---- array parameters ------------------------------------------------------------------------ */

static uint32_t array_type(uint32_t element_type)
{
    switch (element_type) {
    case PG_BOOL:
        return 1000;
    case PG_BYTEA:
        return 1001;
    case PG_INT4:
        return 1007;
    case PG_TEXT:
        return 1009;
    case PG_INT8:
        return 1016;
    case PG_FLOAT4:
        return 1021;
    case PG_TIMESTAMPTZ:
        return 1185;
    case PG_UUID:
        return 2951;
    default:
        assert(false && "an element type that has no row here");
        return 0;
    }
}

static void put_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (24 - 8 * i));
}

struct pg_array pg_array_new(uint32_t element_type)
{
    static const char HEADER[ARRAY_HEADER_BYTES] = {0};
    struct pg_array array = {.bytes = buffer_new(ARRAY_BYTES_MAX), .element_type = element_type};
    buffer_append(&array.bytes, HEADER, sizeof(HEADER));
    return array;
}

static void add(struct pg_array *array, const void *data, size_t bytes)
{
    char *at = buffer_reserve(&array->bytes, bytes + 4);
    if (!at)
        return; /* pg_array_param() finds it */
    put_u32(at, (uint32_t)bytes);
    if (bytes)
        memcpy(at + 4, data, bytes);
    array->bytes.bytes += bytes + 4;
    array->count++;
}

void pg_array_add_null(struct pg_array *array)
{
    char *at = buffer_reserve(&array->bytes, 4);
    if (!at)
        return;
    put_u32(at, UINT32_MAX);
    array->bytes.bytes += 4;
    array->count++;
}

void pg_array_add_uuid(struct pg_array *array, struct uuid id)
{
    add(array, id.bytes, sizeof(id.bytes));
}

void pg_array_add_text(struct pg_array *array, struct text text)
{
    if (text.start)
        add(array, text.start, text.bytes);
    else
        pg_array_add_null(array);
}

void pg_array_add_bytes(struct pg_array *array, struct text bytes)
{
    pg_array_add_text(array, bytes);
}

void pg_array_add_i64(struct pg_array *array, int64_t value)
{
    char wire[8];
    put_u32(wire, (uint32_t)((uint64_t)value >> 32));
    put_u32(wire + 4, (uint32_t)value);
    add(array, wire, sizeof(wire));
}

void pg_array_add_i32(struct pg_array *array, int32_t value)
{
    char wire[4];
    put_u32(wire, (uint32_t)value);
    add(array, wire, sizeof(wire));
}

void pg_array_add_bool(struct pg_array *array, bool value)
{
    char wire = value;
    add(array, &wire, 1);
}

struct pg_param pg_array_param(struct pg_array *array)
{
    assert(!array->bytes.is_full); /* batches are bounded far below */
    char *header = array->bytes.data;
    put_u32(header, array->count ? 1 : 0); /* dimensions */
    put_u32(header + 4, 1);                /* may hold nulls */
    put_u32(header + 8, array->element_type);
    put_u32(header + 12, array->count);
    put_u32(header + 16, 1); /* the first index */
    if (!array->count)
        put_u32(header + 4, 0);
    return (struct pg_param){
        .data = header,
        .bytes = array->count ? (int)array->bytes.bytes : EMPTY_ARRAY_BYTES,
        .type = array_type(array->element_type),
        .is_binary = true,
    };
}

void pg_array_release(struct pg_array *array)
{
    buffer_release(&array->bytes);
    array->count = 0;
}
