#include "worker/base/json_private.h"

static bool is_kind(const struct json *value, enum json_kind kind)
{
    return value && value->kind == kind;
}

void cleanup_json(struct json **root)
{
    json_free(*root);
}

bool json_is_object(const struct json *value)
{
    return is_kind(value, JSON_OBJECT);
}

bool json_is_array(const struct json *value)
{
    return is_kind(value, JSON_ARRAY);
}

bool json_is_string(const struct json *value)
{
    return is_kind(value, JSON_STRING);
}

bool json_is_number(const struct json *value)
{
    return is_kind(value, JSON_INTEGER) || is_kind(value, JSON_REAL);
}

bool json_is_null(const struct json *value)
{
    return is_kind(value, JSON_NULL);
}

const struct json *json_member(const struct json *object, const char *name)
{
    struct text wanted = text_from(name);
    if (!json_is_object(object))
        return NULL;
    for (size_t i = object->list.count; i-- > 0;)
        if (text_equal(object->list.items[i].name, wanted))
            return &object->list.items[i];
    return NULL;
}

size_t json_count(const struct json *array_or_object)
{
    bool is_list = json_is_object(array_or_object) || json_is_array(array_or_object);
    return is_list ? array_or_object->list.count : 0;
}

const struct json *json_at(const struct json *array, size_t index)
{
    bool is_there = json_is_array(array) && index < array->list.count;
    return is_there ? &array->list.items[index] : NULL;
}

struct text json_text(const struct json *string)
{
    return json_is_string(string) ? string->text : TEXT_NONE;
}

struct text json_member_text(const struct json *object, const char *name)
{
    return json_text(json_member(object, name));
}

bool json_u64(const struct json *value, uint64_t *ret_value)
{
    if (json_is_string(value))
        return text_parse_u64(json_text(value), ret_value);
    if (is_kind(value, JSON_INTEGER)) {
        if (value->integer < 0)
            return false;
        *ret_value = (uint64_t)value->integer;
        return true;
    }
    const double exact_max = 9007199254740992.0; /* 2^53: beyond it doubles skip whole numbers */
    double number = json_number(value, -1);
    if (!(number >= 0 && number <= exact_max) || (double)(uint64_t)number != number)
        return false;
    *ret_value = (uint64_t)number;
    return true;
}

double json_number(const struct json *value, double fallback)
{
    if (is_kind(value, JSON_INTEGER))
        return (double)value->integer;
    return is_kind(value, JSON_REAL) ? value->real : fallback;
}

bool json_bool(const struct json *value, bool fallback)
{
    if (is_kind(value, JSON_TRUE))
        return true;
    return is_kind(value, JSON_FALSE) ? false : fallback;
}

void json_each(const struct json *object,
               void (*visit)(void *arg, struct text name, const struct json *value), void *arg)
{
    if (!json_is_object(object))
        return;
    for (size_t i = 0; i < object->list.count; i++)
        visit(arg, object->list.items[i].name, &object->list.items[i]);
}
