#include "worker/base/json.h"

#include <jansson.h>

/* jansson has macros of these names; ours are functions, and its own are called by their type. */
#undef json_is_object
#undef json_is_array
#undef json_is_string
#undef json_is_number
#undef json_is_null

/* A struct json is a json_t: the type exists so that nobody outside can tell. */
static struct json *from_vendor(json_t *value)
{
    return (struct json *)value;
}

static json_t *to_vendor(const struct json *value)
{
    return (json_t *)value; /* jansson's getters are const only in part */
}

static bool is_type(const struct json *value, json_type type)
{
    return value && json_typeof(to_vendor(value)) == type;
}

/* jansson recurses per level and stops at 2,048 of them: too deep for a work thread's stack. */
static bool is_too_deep(struct text text)
{
    unsigned depth = 0;
    bool is_in_string = false;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.start[i];
        if (c == '"')
            is_in_string = !is_in_string;
        else if (is_in_string)
            i += c == '\\';
        else if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        if (depth > JSON_DEPTH_MAX)
            return true;
    }
    return false;
}

/* jansson's own sentences quote what stands "near": that may be a secret or a document's text. */
static const char *reason_of(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_out_of_memory:
        return "no memory";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_end_of_input_expected:
        return "something follows the end";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string holds NUL";
    case json_error_numeric_overflow:
        return "a number is too large";
    default:
        return "bad syntax";
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

struct json *json_parse(struct text text, struct error *err)
{
    if (is_too_deep(text)) {
        error_set(err, ERR_PROTOCOL, "JSON: deeper than %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    json_error_t error;
    json_t *root = json_loadb(text.start ? text.start : "", text.bytes, JSON_DECODE_ANY, &error);
    if (!root)
        error_set(err, ERR_PROTOCOL, "JSON: line %d: %s", error.line, reason_of(&error));
    return from_vendor(root);
}

void json_free(struct json *root)
{
    json_decref(to_vendor(root));
}

void cleanup_json(struct json **root)
{
    json_free(*root);
}

bool json_is_object(const struct json *value)
{
    return is_type(value, JSON_OBJECT);
}

bool json_is_array(const struct json *value)
{
    return is_type(value, JSON_ARRAY);
}

bool json_is_string(const struct json *value)
{
    return is_type(value, JSON_STRING);
}

bool json_is_number(const struct json *value)
{
    return is_type(value, JSON_INTEGER) || is_type(value, JSON_REAL);
}

bool json_is_null(const struct json *value)
{
    return is_type(value, JSON_NULL);
}

const struct json *json_member(const struct json *object, const char *name)
{
    return from_vendor(json_object_get(to_vendor(object), name));
}

size_t json_count(const struct json *array_or_object)
{
    if (json_is_object(array_or_object))
        return json_object_size(to_vendor(array_or_object));
    return json_array_size(to_vendor(array_or_object));
}

const struct json *json_at(const struct json *array, size_t index)
{
    return from_vendor(json_array_get(to_vendor(array), index));
}

struct text json_text(const struct json *string)
{
    if (!json_is_string(string))
        return TEXT_NONE;
    return (struct text){json_string_value(to_vendor(string)),
                         json_string_length(to_vendor(string))};
}

struct text json_member_text(const struct json *object, const char *name)
{
    return json_text(json_member(object, name));
}

bool json_u64(const struct json *value, uint64_t *ret_value)
{
    if (json_is_string(value))
        return text_parse_u64(json_text(value), ret_value);
    if (is_type(value, JSON_INTEGER)) {
        json_int_t integer = json_integer_value(to_vendor(value));
        if (integer < 0)
            return false;
        *ret_value = (uint64_t)integer;
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
    return json_is_number(value) ? json_number_value(to_vendor(value)) : fallback;
}

bool json_bool(const struct json *value, bool fallback)
{
    if (is_type(value, JSON_TRUE))
        return true;
    return is_type(value, JSON_FALSE) ? false : fallback;
}

void json_each(const struct json *object,
               void (*visit)(void *arg, struct text name, const struct json *value), void *arg)
{
    json_t *vendor = to_vendor(object);
    for (void *at = json_object_iter(vendor); at; at = json_object_iter_next(vendor, at))
        visit(arg, text_from(json_object_iter_key(at)), from_vendor(json_object_iter_value(at)));
}
