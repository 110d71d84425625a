#include "embed/codec.h"

#include <endian.h>
#include <math.h>
#include <string.h>

#include "worker/base/json_pull.h"

/* ---- the request ----------------------------------------------------------------------------- */

static void write_escape(struct buffer *out, uint8_t c)
{
    static const char SHORT[128] = {['"'] = '"',  ['\\'] = '\\', ['\n'] = 'n', ['\t'] = 't',
                                    ['\r'] = 'r', ['\f'] = 'f',  ['\b'] = 'b'};
    if (SHORT[c]) {
        buffer_append_char(out, '\\');
        buffer_append_char(out, SHORT[c]);
    } else {
        buffer_format(out, "\\u%04x", (unsigned)c);
    }
}

/* Stretches that need no escape are copied whole. */
static void write_escaped(struct buffer *out, struct text text)
{
    size_t start = 0;
    for (size_t at = 0; at < text.bytes; at++) {
        uint8_t c = (uint8_t)text.start[at];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buffer_append_text(out, text_slice(text, start, at));
        write_escape(out, c);
        start = at + 1;
    }
    buffer_append_text(out, text_slice(text, start, text.bytes));
}

void codec_begin(struct buffer *out, struct text model)
{
    buffer_append_text(out, TEXT("{\"model\":\""));
    write_escaped(out, model);
    buffer_append_text(out, TEXT("\",\"input\":["));
}

void codec_input(struct buffer *out, bool is_first, struct text first, struct text second)
{
    buffer_append_text(out, is_first ? TEXT("\"") : TEXT(",\""));
    write_escaped(out, first);
    write_escaped(out, second);
    buffer_append_char(out, '"');
}

void codec_end(struct buffer *out, uint32_t dimension_count, bool is_base64)
{
    buffer_append_char(out, ']');
    if (is_base64)
        buffer_append_text(out, TEXT(",\"encoding_format\":\"base64\""));
    if (dimension_count)
        buffer_format(out, ",\"dimensions\":%u", (unsigned)dimension_count);
    buffer_append_char(out, '}');
}

/* ---- the reply ------------------------------------------------------------------------------- */

struct reader {
    struct json_pull pull;
    const struct codec_rows *rows;
    struct codec_reply *reply;
    struct error *err;
    uint8_t base64[256]; /* 0 .. 63; NO_BASE64: no letter of it */
};
#define NO_BASE64 64

static void learn_base64(uint8_t values[256])
{
    static const char LETTERS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    memset(values, NO_BASE64, 256);
    for (uint8_t i = 0; i < NO_BASE64; i++)
        values[(uint8_t)LETTERS[i]] = i;
}

static bool refuse_width(struct reader *reader, size_t width)
{
    uint32_t asked = reader->rows->width;
    const char *why = "";
    if (width * 4 == asked)
        why = " (a quarter: floats were taken for base64 on the way)";
    else if (width == (size_t)asked * 2)
        why = " (twice: they may be 64-bit floats)";
    reader->reply->wrong_width = width;
    return error_set(reader->err, ERR_EMBED_VECTOR, "vectors of %zu values instead of %u%s", width,
                     asked, why);
}

/* Four letters to three bytes; a rest of two or three letters to one or two. */
static bool decode_base64(const uint8_t values[256], struct text text, uint8_t *out)
{
    const uint8_t *in = (const uint8_t *)text.start, *end = in + text.bytes / 4 * 4;
    uint32_t all = 0; /* bit 6 is set by what is no letter */
    for (; in < end; in += 4, out += 3) {
        uint32_t a = values[in[0]], b = values[in[1]], c = values[in[2]], d = values[in[3]];
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        all |= a | b | c | d;
        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    size_t rest = text.bytes % 4;
    for (size_t i = 0; i + 1 < rest; i++) {
        uint32_t a = values[in[i]], b = values[in[i + 1]];
        all |= a | b;
        out[i] = (uint8_t)(i == 0 ? a << 2 | b >> 4 : a << 4 | b >> 2);
    }
    return rest != 1 && !(all & NO_BASE64);
}

static bool read_base64(struct reader *reader, float *row)
{
    struct text text;
    if (!json_pull_string(&reader->pull, &text))
        return false;
    for (int i = 0; i < 2 && text.bytes && text.start[text.bytes - 1] == '='; i++)
        text.bytes--;
    size_t bytes = text.bytes / 4 * 3 + (text.bytes % 4 ? text.bytes % 4 - 1 : 0);
    if (bytes != (size_t)reader->rows->width * sizeof(float))
        return refuse_width(reader, bytes / sizeof(float));
    if (!decode_base64(reader->base64, text, (uint8_t *)row))
        return error_set(reader->err, ERR_PROTOCOL, "a vector is not base64");
    for (uint32_t i = 0; i < reader->rows->width; i++) {
        uint32_t bits; /* little-endian on the wire */
        memcpy(&bits, &row[i], sizeof(bits));
        bits = le32toh(bits);
        memcpy(&row[i], &bits, sizeof(bits));
    }
    return true;
}

static bool read_floats(struct reader *reader, float *row)
{
    struct json_pull *pull = &reader->pull;
    size_t count = 0;
    bool is_first = true;
    while (json_pull_item(pull, &is_first)) {
        double value = NAN; /* null, NaN or a string: the row is bad, the reply is still readable */
        char c = json_pull_peek(pull);
        bool is_number = c == '-' || (c >= '0' && c <= '9');
        if (is_number ? !json_pull_number(pull, &value) : !json_pull_skip(pull))
            break;
        if (count < reader->rows->width)
            row[count] = (float)value;
        count++;
    }
    if (pull->is_broken)
        return false;
    return count == reader->rows->width || refuse_width(reader, count);
}

/* By the bits: a sum of squares would have to wait for each addition. */
static enum codec_row judge(const float *row, uint32_t width)
{
    const uint32_t exponent_bits = 0x7f800000; /* all of them: infinite, or no number */
    uint32_t any = 0, is_bad = 0;
    for (uint32_t i = 0; i < width; i++) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof(bits));
        any |= bits << 1; /* without the sign */
        is_bad |= (bits & exponent_bits) == exponent_bits;
    }
    return any && !is_bad ? CODEC_GOOD : CODEC_BAD;
}

/* embedding: where the value stands; the index may come before or after it. */
static bool read_row(struct reader *reader, struct json_pull embedding, double index)
{
    const struct codec_rows *rows = reader->rows;
    if (!(index >= 0) || index >= (double)rows->count || index != floor(index))
        return error_set(reader->err, ERR_EMBED_VECTOR, "a vector without a possible index");
    size_t at = (size_t)index;
    if (rows->states[at] != CODEC_MISSING)
        return error_set(reader->err, ERR_EMBED_VECTOR, "two vectors for input %zu", at);
    float *row = rows->floats + at * rows->width;
    reader->pull = embedding;
    bool is_read =
        json_pull_peek(&embedding) == '"' ? read_base64(reader, row) : read_floats(reader, row);
    if (!is_read)
        return false;
    rows->states[at] = judge(row, rows->width);
    reader->reply->bad_row_count += rows->states[at] == CODEC_BAD;
    return true;
}

static bool read_item(struct reader *reader)
{
    struct text name;
    struct json_pull embedding = {.is_broken = true};
    double index = -1;
    bool is_first = true;
    while (json_pull_member(&reader->pull, &is_first, &name)) {
        if (text_equal(name, TEXT("index"))) {
            json_pull_number(&reader->pull, &index);
            continue;
        }
        if (text_equal(name, TEXT("embedding")))
            embedding = reader->pull;
        json_pull_skip(&reader->pull);
    }
    if (reader->pull.is_broken)
        return false;
    if (embedding.is_broken)
        return error_set(reader->err, ERR_PROTOCOL, "an item without embedding");
    struct json_pull after = reader->pull;
    bool is_read = read_row(reader, embedding, index);
    if (is_read)
        reader->pull = after;
    return is_read;
}

static bool read_data(struct reader *reader)
{
    size_t count = 0;
    bool is_first = true;
    for (; json_pull_item(&reader->pull, &is_first); count++)
        if (!read_item(reader))
            return false;
    if (reader->pull.is_broken || count == reader->rows->count)
        return !reader->pull.is_broken;
    return error_set(reader->err, ERR_EMBED_VECTOR, "%zu vectors for %zu inputs", count,
                     reader->rows->count);
}

static void read_usage(struct reader *reader)
{
    struct text name;
    bool is_first = true;
    while (json_pull_member(&reader->pull, &is_first, &name)) {
        double tokens = 0;
        bool is_total = text_equal(name, TEXT("total_tokens"));
        if (!is_total || json_pull_peek(&reader->pull) == 'n')
            json_pull_skip(&reader->pull);
        else if (json_pull_number(&reader->pull, &tokens) && tokens >= 0 && tokens < 1e15)
            reader->reply->tokens = (uint64_t)tokens;
    }
}

static bool read_reply(struct reader *reader, bool *ret_has_data)
{
    struct text name;
    bool is_first = true;
    while (json_pull_member(&reader->pull, &is_first, &name)) {
        char c = json_pull_peek(&reader->pull);
        if (text_equal(name, TEXT("data")) && c == '[' && !*ret_has_data) {
            *ret_has_data = true;
            if (!read_data(reader))
                return false;
        } else if (text_equal(name, TEXT("usage")) && c == '{') {
            read_usage(reader);
        } else {
            json_pull_skip(&reader->pull);
        }
    }
    return !reader->pull.is_broken;
}

bool codec_read(struct text reply, const struct codec_rows *rows, struct codec_reply *ret_reply,
                struct error *err)
{
    struct error fault = {0};
    struct reader reader = {
        .pull = json_pull_new(reply), .rows = rows, .reply = ret_reply, .err = &fault};
    bool has_data = false;
    *ret_reply = (struct codec_reply){0};
    memset(rows->states, 0, rows->count * sizeof(*rows->states));
    learn_base64(reader.base64);
    bool is_read = read_reply(&reader, &has_data);
    if (!is_read && fault.message[0])
        return error_set(err, fault.code, "%s", fault.message);
    if (!is_read || !has_data)
        return error_set(err, ERR_PROTOCOL, "not a list of embeddings, or cut off");
    return true;
}

/* ---- the refusal ----------------------------------------------------------------------------- */

struct member {
    const char *name;
    char *buffer;
    size_t buffer_bytes;
};

/* A string as it is, a number as it is written (some servers give the status as code). */
static void read_word(struct json_pull *pull, const struct member *member)
{
    struct text raw;
    if (json_pull_peek(pull) == '"') {
        if (json_pull_string(pull, &raw))
            json_pull_unescape(raw, member->buffer, member->buffer_bytes);
        return;
    }
    const char *start = pull->at;
    if (json_pull_skip(pull) && *start >= '0' && *start <= '9')
        json_pull_unescape((struct text){start, (size_t)(pull->at - start)}, member->buffer,
                           member->buffer_bytes);
}

static void read_error(struct json_pull *pull, struct codec_refusal *refusal, unsigned depth)
{
    const struct member members[] = {
        {"code", refusal->code, sizeof(refusal->code)},
        {"type", refusal->type, sizeof(refusal->type)},
        {"param", refusal->param, sizeof(refusal->param)},
        {"message", refusal->message, sizeof(refusal->message)},
        {"error", refusal->message, sizeof(refusal->message)},  /* {"error": "..."} */
        {"detail", refusal->message, sizeof(refusal->message)}, /* FastAPI's */
    };
    struct text name;
    bool is_first = true;
    while (json_pull_member(pull, &is_first, &name)) {
        char c = json_pull_peek(pull);
        if (c == '{' && depth == 0 && text_equal(name, TEXT("error"))) {
            read_error(pull, refusal, depth + 1);
            continue;
        }
        const struct member *found = NULL;
        for (size_t i = 0; i < COUNT_OF(members); i++)
            if (text_equal(name, text_from(members[i].name)))
                found = &members[i];
        if (found)
            read_word(pull, found);
        else
            json_pull_skip(pull);
    }
}

void codec_read_refusal(struct text reply, struct codec_refusal *ret_refusal)
{
    *ret_refusal = (struct codec_refusal){0};
    struct json_pull pull = json_pull_new(reply);
    if (json_pull_peek(&pull) == '{')
        read_error(&pull, ret_refusal, 0);
    if (ret_refusal->message[0] == '\0') {
        struct text start = text_utf8_prefix(text_trim(reply), CODEC_MESSAGE_BYTES - 1);
        (void)text_format(ret_refusal->message, sizeof(ret_refusal->message), "%.*s",
                          TEXT_ARGS(start));
    }
}
