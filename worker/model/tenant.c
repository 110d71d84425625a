#include "worker/model/tenant.h"

#include <assert.h>
#include <string.h>

#define SCHEMA_PREFIX_BYTES_MAX 30 /* with 32 hex digits below NAMEDATALEN */

static char schema_prefix[SCHEMA_PREFIX_BYTES_MAX + 1] = "user_";

bool tenant_set_schema_prefix(struct text prefix, struct error *err)
{
    if (!text_is_identifier(prefix, SCHEMA_PREFIX_BYTES_MAX))
        return error_set(err, ERR_CONFIG,
                         "DB_SCHEMA_PREFIX must be 1 to %d of a-z, 0-9 and _, no digit first",
                         SCHEMA_PREFIX_BYTES_MAX);
    if (text_starts_with(prefix, TEXT("pg_")))
        return error_set(err, ERR_CONFIG, "DB_SCHEMA_PREFIX: PostgreSQL keeps pg_ for itself");
    memcpy(schema_prefix, prefix.start, prefix.bytes);
    schema_prefix[prefix.bytes] = '\0';
    return true;
}

struct tenant tenant_from_user_id(struct uuid user_id)
{
    struct tenant tenant = {.id = user_id};
    char id[UUID_TEXT_BYTES], hex[33];
    hex_format(user_id.bytes, sizeof(user_id.bytes), hex);
    bool fits =
        text_format(tenant.vector_namespace, sizeof(tenant.vector_namespace), "user_%s", hex) &&
        text_format(tenant.schema, sizeof(tenant.schema), "%s%s", schema_prefix, hex) &&
        text_format(tenant.prefix, sizeof(tenant.prefix), "users/%s/", uuid_format(user_id, id));
    assert(fits);
    return tenant;
}

/* C0, DEL and C1: they have no place in a name, and each has fooled a terminal or a log once. */
static bool has_control(struct text text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        uint8_t byte = (uint8_t)text.start[i];
        if (byte < 0x20 || byte == 0x7f)
            return true;
        if (byte == 0xc2 && i + 1 < text.bytes && (uint8_t)text.start[i + 1] < 0xa0)
            return true;
    }
    return false;
}

/* An S3 server or a file system may fold these segments away, and so leave the prefix. */
static bool is_foldable(struct text segment)
{
    return segment.bytes == 0 || text_equal(segment, TEXT(".")) || text_equal(segment, TEXT(".."));
}

static const char *fault_of_name(struct text name)
{
    bool is_faulty = text_ends_with(name, TEXT("/"));
    while (name.bytes && !is_faulty)
        is_faulty = is_foldable(text_cut(name, '/', &name));
    return is_faulty ? "it has an empty, . or .. path segment" : NULL;
}

/* The sentence does not quote the key: it is foreign, and may hold anything. */
static const char *fault_of_key(struct text key, struct uuid *ret_id)
{
    struct text rest = text_slice(key, strlen("users/"), key.bytes);
    if (key.bytes > TENANT_KEY_BYTES_MAX)
        return "it is longer than 1024 bytes";
    if (!text_is_utf8(key))
        return "it is not UTF-8";
    if (has_control(key))
        return "it holds a control character";
    if (!text_starts_with(key, TEXT("users/")))
        return "it does not start with users/";
    if (!uuid_parse(text_cut(rest, '/', &rest), ret_id))
        return "users/ is not followed by a UUID in lower case";
    if (uuid_is_nil(*ret_id))
        return "the nil UUID is nobody";
    if (rest.bytes == 0)
        return "it names no object below the user's prefix";
    return fault_of_name(rest);
}

bool tenant_id_from_key(struct text key, struct uuid *ret_id, struct error *err)
{
    struct uuid id;
    const char *fault = fault_of_key(key, &id);
    if (fault)
        return error_set(err, ERR_EVENT_KEY, "object key: %s", fault);
    *ret_id = id;
    return true;
}

bool tenant_from_key(struct text key, struct tenant *ret_tenant, struct error *err)
{
    struct uuid id;
    if (!tenant_id_from_key(key, &id, err))
        return false;
    *ret_tenant = tenant_from_user_id(id);
    return true;
}

bool tenant_owns_key(const struct tenant *tenant, struct text key)
{
    struct uuid id;
    return fault_of_key(key, &id) == NULL && uuid_equal(id, tenant->id);
}
