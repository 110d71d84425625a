#include "worker/base/json_pull.h"

#include <string.h>

struct json_pull json_pull_new(struct text json)
{
    const char *start = json.start ? json.start : "";
    return (struct json_pull){.at = start, .end = start + json.bytes};
}

static bool broken(struct json_pull *pull)
{
    pull->is_broken = true;
    pull->at = pull->end;
    return false;
}

char json_pull_peek(struct json_pull *pull)
{
    while (pull->at < pull->end &&
           (*pull->at == ' ' || *pull->at == '\n' || *pull->at == '\r' || *pull->at == '\t'))
        pull->at++;
    if (pull->at == pull->end)
        return '\0';
    return *pull->at;
}

bool json_pull_expect(struct json_pull *pull, char c)
{
    if (json_pull_peek(pull) != c || pull->at == pull->end)
        return broken(pull);
    pull->at++;
    return true;
}

bool json_pull_string(struct json_pull *pull, struct text *ret_raw)
{
    if (!json_pull_expect(pull, '"'))
        return false;
    const char *start = pull->at;
    for (const char *from = start;;) {
        const char *quote = memchr(from, '"', (size_t)(pull->end - from));
        if (!quote)
            return broken(pull);
        size_t backslashes = 0;
        while (quote - backslashes > start && *(quote - backslashes - 1) == '\\')
            backslashes++;
        from = quote + 1;
        if (backslashes % 2)
            continue;
        *ret_raw = (struct text){start, (size_t)(quote - start)};
        pull->at = from;
        return true;
    }
}

/* The four digits of a \u escape; a question mark for anything else. */
static uint32_t hex4(struct text raw, size_t at)
{
    static const char DIGITS[] = "0123456789abcdef0123456789ABCDEF";
    uint32_t value = 0;
    if (raw.bytes - at < 4)
        return '?';
    for (size_t i = at; i < at + 4; i++) {
        const char *digit = memchr(DIGITS, raw.start[i], sizeof(DIGITS) - 1);
        if (!digit)
            return '?';
        value = value << 4 | (uint32_t)((digit - DIGITS) & 15);
    }
    return value;
}

/* Surrogates and NUL become question marks: this is for messages, not for texts. */
static size_t put_utf8(uint32_t c, uint8_t out[3])
{
    if (c == 0 || (c >= 0xd800 && c < 0xe000))
        c = '?';
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (uint8_t)(0xe0 | c >> 12);
    out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c & 0x3f));
    return 3;
}

/* What follows a backslash at `at`, which moves behind it. */
static size_t resolve_escape(struct text raw, size_t *at, uint8_t out[3])
{
    char escape = raw.start[(*at)++];
    if (escape == 'u') {
        uint32_t c = hex4(raw, *at);
        *at += 4;
        return put_utf8(c, out);
    }
    bool is_control = escape && strchr("nrtbf", escape);
    out[0] = is_control ? ' ' : (uint8_t)escape;
    return 1;
}

void json_pull_unescape(struct text raw, char *buffer, size_t buffer_bytes)
{
    size_t written = 0;
    for (size_t at = 0; at < raw.bytes;) {
        uint8_t out[3] = {(uint8_t)raw.start[at++]};
        size_t bytes = 1;
        if (out[0] == '\\' && at < raw.bytes)
            bytes = resolve_escape(raw, &at, out);
        if (written + bytes >= buffer_bytes) {
            buffer[written] = (char)out[0]; /* shows whether the cut falls into a sequence */
            written = text_utf8_prefix((struct text){buffer, written + 1}, written).bytes;
            break;
        }
        memcpy(buffer + written, out, bytes);
        written += bytes;
    }
    buffer[written] = '\0';
}

/* 10^0 .. 10^22 are exact in a double. */
static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

struct decimal {
    uint64_t mantissa;
    int exponent;
    unsigned digit_count;
};

static const char *digits(const char *at, const char *end, struct decimal *decimal, int step)
{
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (decimal->digit_count >= 18) {
            decimal->digit_count = 19; /* too many for the short way */
            continue;
        }
        decimal->mantissa = decimal->mantissa * 10 + (uint64_t)(*at - '0');
        decimal->digit_count += decimal->mantissa != 0;
        decimal->exponent -= step;
    }
    return at;
}

static const char *exponent_end(const char *at, const char *end, int *ret_exponent)
{
    const char *start = at;
    int value = 0;
    if (at == end || (*at != 'e' && *at != 'E'))
        return at;
    at++;
    bool is_negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    const char *first = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value < 10000 ? value * 10 + (*at - '0') : value;
    *ret_exponent = is_negative ? -value : value;
    return at == first ? start : at;
}

/* Up to 2^53 and 10^22 one multiplication or division is exact (Clinger 1990); else the libc. */
bool json_pull_number(struct json_pull *pull, double *ret_number)
{
    json_pull_peek(pull);
    const char *start = pull->at;
    const char *at = start + (start < pull->end && *start == '-');
    struct decimal decimal = {0};
    const char *first = at;
    at = digits(at, pull->end, &decimal, 0);
    if (at == first)
        return broken(pull);
    if (at < pull->end && *at == '.')
        at = digits(at + 1, pull->end, &decimal, 1);
    int exponent = 0;
    at = exponent_end(at, pull->end, &exponent);
    exponent += decimal.exponent;
    pull->at = at;
    bool is_short = decimal.digit_count < 19 && decimal.mantissa < (uint64_t)1 << 53 &&
                    exponent >= -22 && exponent <= 22;
    if (!is_short)
        return text_parse_double((struct text){start, (size_t)(at - start)}, ret_number) ||
               broken(pull);
    double value = (double)decimal.mantissa;
    value = exponent < 0 ? value / POWERS[-exponent] : value * POWERS[exponent];
    *ret_number = *start == '-' ? -value : value;
    return true;
}

static bool skip_word(struct json_pull *pull)
{
    const char *start = pull->at;
    while (pull->at < pull->end &&
           ((*pull->at >= 'a' && *pull->at <= 'z') || (*pull->at >= '0' && *pull->at <= '9') ||
            (*pull->at && strchr("+-.EINY", *pull->at))))
        pull->at++;
    return pull->at > start || broken(pull);
}

/* Objects and arrays: to the bracket that closes the first one. The kinds are not matched: what is
 * skipped is not believed either. */
static bool skip_nested(struct json_pull *pull)
{
    size_t depth = 0;
    do {
        if (pull->at == pull->end)
            return broken(pull);
        char c = *pull->at;
        struct text ignored;
        if (c == '"') {
            if (!json_pull_string(pull, &ignored))
                return false;
            continue;
        }
        depth += c == '[' || c == '{';
        depth -= c == ']' || c == '}';
        pull->at++;
    } while (depth);
    return true;
}

bool json_pull_skip(struct json_pull *pull)
{
    struct text ignored;
    char c = json_pull_peek(pull);
    if (c == '"')
        return json_pull_string(pull, &ignored);
    return c == '[' || c == '{' ? skip_nested(pull) : skip_word(pull);
}

struct text json_pull_value(struct json_pull *pull)
{
    json_pull_peek(pull);
    const char *start = pull->at;
    if (!json_pull_skip(pull))
        return TEXT_NONE;
    return (struct text){start, (size_t)(pull->at - start)};
}

/* The start of the next element; false after the last one. */
static bool next(struct json_pull *pull, char open, char close, bool *is_first)
{
    if (*is_first && !json_pull_expect(pull, open))
        return false;
    if (json_pull_peek(pull) == close && !pull->is_broken) {
        pull->at++;
        return false;
    }
    bool has_comma = *is_first || json_pull_expect(pull, ',');
    *is_first = false;
    return has_comma;
}

bool json_pull_member(struct json_pull *pull, bool *is_first, struct text *ret_name)
{
    return next(pull, '{', '}', is_first) && json_pull_string(pull, ret_name) &&
           json_pull_expect(pull, ':');
}

bool json_pull_item(struct json_pull *pull, bool *is_first)
{
    return next(pull, '[', ']', is_first);
}
