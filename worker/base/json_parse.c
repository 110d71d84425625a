/* Text to tree: the text is copied once, strings are unescaped where they lie in the copy, and the
 * values of a list stand side by side. Each S3 event comes this way, so it has to be quick. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "worker/base/arena.h"
#include "worker/base/json_private.h"
#include "worker/base/memory.h"

#define STACK_MIN 64

struct root {
    struct json value;
    struct arena arena; /* the copy, and all lists */
};

struct parser {
    char *at, *end; /* *end is NUL */
    struct arena *arena;
    struct json *stack; /* values of the lists that are still open */
    size_t stack_count, stack_max;
    struct json *first; /* the stack while it is small: the caller's */
    unsigned depth;
    const char *reason; /* of a failure; at tells where */
};

static const char NO_MEMORY[] = "no memory";

static bool parse_value(struct parser *parser, struct json *ret_value);

static bool refuse(struct parser *parser, const char *reason)
{
    parser->reason = parser->at == parser->end ? "it ends too early" : reason;
    return false;
}

static char next_token(struct parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\n' || *parser->at == '\r' || *parser->at == '\t')
        parser->at++;
    return *parser->at;
}

/* ---- strings --------------------------------------------------------------------------------- */

/* The four digits behind \u. */
static bool parse_hex4(struct parser *parser, uint32_t *ret_value)
{
    *ret_value = 0;
    for (int i = 0; i < 4; i++, parser->at++) {
        int digit = text_hex_digit(*parser->at);
        if (digit < 0)
            return refuse(parser, "bad syntax");
        *ret_value = *ret_value << 4 | (uint32_t)digit;
    }
    return true;
}

static bool parse_code_point(struct parser *parser, uint32_t *ret_c)
{
    uint32_t low;
    if (!parse_hex4(parser, ret_c))
        return false;
    if (*ret_c == 0)
        return refuse(parser, "a string holds NUL");
    if (*ret_c < 0xd800 || *ret_c > 0xdfff)
        return true;
    if (*ret_c > 0xdbff || parser->at[0] != '\\' || parser->at[1] != 'u')
        return refuse(parser, "bad syntax"); /* half of a pair */
    parser->at += 2;
    if (!parse_hex4(parser, &low))
        return false;
    *ret_c = 0x10000 + ((*ret_c - 0xd800) << 10) + (low - 0xdc00);
    return (low >= 0xdc00 && low <= 0xdfff) || refuse(parser, "bad syntax");
}

static char *put_utf8(char *out, uint32_t c)
{
    static const uint8_t LEADS[] = {0, 0, 0xc0, 0xe0, 0xf0};
    int bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = bytes - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(LEADS[bytes - 1 ? bytes : 0] | c);
    return out + bytes;
}

/* At a backslash; what it means goes to *out, which never overtakes what is read. */
static bool parse_escape(struct parser *parser, char **out)
{
    static const char NAMES[] = "\"\\/bfnrt", VALUES[] = "\"\\/\b\f\n\r\t";
    uint32_t c;
    char name = *++parser->at;
    if (name == 'u') {
        parser->at++;
        if (!parse_code_point(parser, &c))
            return false;
        *out = put_utf8(*out, c);
        return true;
    }
    const char *found = name ? strchr(NAMES, name) : NULL;
    if (!found)
        return refuse(parser, "bad syntax");
    *(*out)++ = VALUES[found - NAMES];
    parser->at++;
    return true;
}

static bool copy_sequence(struct parser *parser, char **out)
{
    struct text rest = {parser->at, (size_t)(parser->end - parser->at)};
    size_t bytes = text_utf8_sequence(rest);
    if (!bytes)
        return refuse(parser, "not UTF-8");
    memmove(*out, parser->at, bytes);
    *out += bytes;
    parser->at += bytes;
    return true;
}

/* Behind the opening quote. */
static bool parse_string(struct parser *parser, struct text *ret_text)
{
    char *start = parser->at, *out = start;
    while (*parser->at != '"') {
        unsigned char c = (unsigned char)*parser->at;
        if (c < 0x20)
            return refuse(parser, "bad syntax");
        if (c == '\\' ? !parse_escape(parser, &out) : c >= 0x80 && !copy_sequence(parser, &out))
            return false;
        if (c != '\\' && c < 0x80)
            *out++ = *parser->at++;
    }
    parser->at++;
    *out = '\0';
    *ret_text = (struct text){start, (size_t)(out - start)};
    return true;
}

/* ---- numbers and words ----------------------------------------------------------------------- */

static size_t skip_digits(struct parser *parser)
{
    const char *start = parser->at;
    while (*parser->at >= '0' && *parser->at <= '9')
        parser->at++;
    return (size_t)(parser->at - start);
}

/* The fraction and the exponent, if any: a real number then. */
static bool skip_real_part(struct parser *parser, bool *ret_is_real)
{
    *ret_is_real = *parser->at == '.' || *parser->at == 'e' || *parser->at == 'E';
    if (*parser->at == '.') {
        parser->at++;
        if (!skip_digits(parser))
            return refuse(parser, "bad syntax");
    }
    if (*parser->at != 'e' && *parser->at != 'E')
        return true;
    parser->at++;
    parser->at += *parser->at == '+' || *parser->at == '-';
    return skip_digits(parser) || refuse(parser, "bad syntax");
}

static bool parse_number(struct parser *parser, struct json *ret_value)
{
    const char *start = parser->at;
    bool is_real;
    parser->at += *parser->at == '-';
    bool has_zero = *parser->at == '0';
    size_t digit_count = skip_digits(parser);
    if (digit_count == 0 || (has_zero && digit_count > 1) || !skip_real_part(parser, &is_real))
        return refuse(parser, "bad syntax");
    struct text text = {start, (size_t)(parser->at - start)};
    ret_value->kind = is_real ? JSON_REAL : JSON_INTEGER;
    bool fits = is_real ? text_parse_double(text, &ret_value->real) && isfinite(ret_value->real)
                        : text_parse_i64(text, &ret_value->integer);
    if (!fits)
        parser->reason = "a number is too large";
    return fits;
}

static bool parse_word(struct parser *parser, struct json *ret_value)
{
    static const struct {
        const char *word;
        enum json_kind kind;
    } WORDS[] = {{"null", JSON_NULL}, {"false", JSON_FALSE}, {"true", JSON_TRUE}};
    struct text rest = {parser->at, (size_t)(parser->end - parser->at)};
    for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
        if (!text_starts_with(rest, text_from(WORDS[i].word)))
            continue;
        ret_value->kind = WORDS[i].kind;
        parser->at += strlen(WORDS[i].word);
        return true;
    }
    return refuse(parser, "bad syntax");
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void grow_stack(struct parser *parser)
{
    bool is_first = parser->stack == parser->first;
    parser->stack_max *= 2;
    parser->stack =
        xrealloc(is_first ? NULL : parser->stack, parser->stack_max, sizeof(*parser->stack));
    if (is_first)
        memcpy(parser->stack, parser->first, parser->stack_count * sizeof(*parser->stack));
}

static void push(struct parser *parser, const struct json *value)
{
    if (parser->stack_count == parser->stack_max)
        grow_stack(parser);
    parser->stack[parser->stack_count++] = *value;
}

/* What lies on the stack above `from` becomes the list. */
static bool close_list(struct parser *parser, size_t from, struct json *list)
{
    size_t count = parser->stack_count - from;
    struct json *items = arena_alloc_array(parser->arena, count, sizeof(*items));
    if (!items) {
        parser->reason = NO_MEMORY;
        return false;
    }
    if (count)
        memcpy(items, parser->stack + from, count * sizeof(*items));
    parser->stack_count = from;
    list->list.items = items;
    list->list.count = count;
    return true;
}

static bool parse_name(struct parser *parser, struct text *ret_name)
{
    if (next_token(parser) != '"')
        return refuse(parser, "bad syntax");
    parser->at++;
    if (!parse_string(parser, ret_name))
        return false;
    if (next_token(parser) != ':')
        return refuse(parser, "bad syntax");
    parser->at++;
    return true;
}

/* Behind the opening bracket. */
static bool parse_list(struct parser *parser, char closing, struct json *list)
{
    size_t from = parser->stack_count;
    list->kind = closing == '}' ? JSON_OBJECT : JSON_ARRAY;
    for (bool is_first = true; next_token(parser) != closing; is_first = false) {
        struct json value = {0};
        if (!is_first && *parser->at != ',')
            return refuse(parser, "bad syntax");
        parser->at += !is_first;
        if ((closing == '}' && !parse_name(parser, &value.name)) || !parse_value(parser, &value))
            return false;
        push(parser, &value);
    }
    parser->at++;
    return close_list(parser, from, list);
}

static bool parse_value(struct parser *parser, struct json *ret_value)
{
    char c = next_token(parser);
    if (c == '"') {
        parser->at++;
        ret_value->kind = JSON_STRING;
        return parse_string(parser, &ret_value->text);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return parse_number(parser, ret_value);
    if (c != '{' && c != '[')
        return parse_word(parser, ret_value);
    parser->at++;
    if (++parser->depth > JSON_DEPTH_MAX)
        return false; /* told in a sentence of its own */
    if (!parse_list(parser, c == '{' ? '}' : ']', ret_value))
        return false;
    parser->depth--;
    return true;
}

/* ---- public ---------------------------------------------------------------------------------- */

static bool parse_root(struct parser *parser, struct json *ret_value)
{
    if (!parse_value(parser, ret_value))
        return false;
    if (next_token(parser) == '\0' && parser->at == parser->end)
        return true;
    parser->reason = "something follows the end";
    return false;
}

static void tell(const struct parser *parser, struct text text, size_t at, struct error *err)
{
    unsigned line = 1;
    for (size_t i = 0; i < at && i < text.bytes; i++)
        line += text.start[i] == '\n';
    if (parser->depth > JSON_DEPTH_MAX)
        error_set(err, ERR_PROTOCOL, "JSON: deeper than %d levels", JSON_DEPTH_MAX);
    else if (parser->reason == NO_MEMORY)
        error_set(err, ERR_NO_MEMORY, "JSON: it is too large");
    else
        error_set(err, ERR_PROTOCOL, "JSON: line %u: %s", line, parser->reason);
}

static bool parse_text(struct arena *arena, struct text text, struct json *ret_value,
                       struct error *err)
{
    struct text copy;
    if (!arena_copy(arena, text, &copy))
        return error_set(err, ERR_NO_MEMORY, "JSON: it is too large");
    char *start = (char *)copy.start;
    struct json first[STACK_MIN];
    struct parser parser = {.at = start,
                            .end = start + copy.bytes,
                            .arena = arena,
                            .stack = first,
                            .stack_max = STACK_MIN,
                            .first = first};
    bool is_read = parse_root(&parser, ret_value);
    if (parser.stack != first)
        xfree(parser.stack);
    if (!is_read)
        tell(&parser, text, (size_t)(parser.at - start), err);
    return is_read;
}

const struct json *json_parse_in(struct arena *arena, struct text text, struct error *err)
{
    struct json *value = arena_alloc(arena, sizeof(*value));
    if (!value) {
        error_set(err, ERR_NO_MEMORY, "JSON: it is too large");
        return NULL;
    }
    return parse_text(arena, text, value, err) ? value : NULL;
}

struct json *json_parse(struct text text, struct error *err)
{
    struct root *root = xcalloc(1, sizeof(*root));
    root->arena = arena_new(SIZE_MAX / 2); /* the text bounds it */
    if (parse_text(&root->arena, text, &root->value, err))
        return &root->value;
    json_free(&root->value);
    return NULL;
}

void json_free(struct json *root)
{
    if (!root)
        return;
    struct root *whole = container_of(root, struct root, value);
    arena_release(&whole->arena);
    xfree(whole);
}
