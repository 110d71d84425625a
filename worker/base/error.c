#include "worker/base/error.h"

#include <assert.h>
#include <string.h>

struct row {
    const char *name;
    enum disposition disposition;
    const char *sentence;
    const char *remedy;
};

static const struct row ROWS[ERROR_CODE_COUNT] = {
#define X(code, name, disposition, sentence, remedy) \
    [ERR_##code] = {name, DISPOSITION_##disposition, sentence, remedy},
#include "worker/base/error.def"
#undef X
};

/* A message is one line: what a peer sent may hold anything. */
static void make_one_line(char *message)
{
    for (char *at = message; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    struct text whole = text_from(message);
    while (whole.bytes && !text_is_utf8(whole))
        whole.bytes--; /* the cut fell into a sequence, or the peer's bytes were no UTF-8 */
    message[whole.bytes] = '\0';
}

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    (void)text_format_v(err->message, sizeof(err->message), format, args); /* a cut one will do */
    va_end(args);
    err->code = code;
    err->retry_after_ms = 0;
    make_one_line(err->message);
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    if (!err)
        return false;
    char context[sizeof(err->message)];
    char inner[sizeof(err->message)];
    memcpy(inner, err->message, sizeof(inner));
    va_list args;
    va_start(args, format);
    (void)text_format_v(context, sizeof(context), format, args);
    va_end(args);
    (void)text_format(err->message, sizeof(err->message), "%s: %s", context, inner);
    make_one_line(err->message);
    return false;
}

bool error_set_errno(struct error *err, enum error_code code, int errno_value, const char *what)
{
    char reason[96];
    /* The GNU strerror_r: returns the text, which may or may not be in the buffer. */
    return error_set(err, code, "%s: %s", what, strerror_r(errno_value, reason, sizeof(reason)));
}

struct error *error_of(struct error *err, enum error_code code)
{
    error_set(err, code, "%s", error_sentence(code));
    return err;
}

const char *error_name(enum error_code code)
{
    assert(code < ERROR_CODE_COUNT);
    return ROWS[code].name;
}

const char *error_sentence(enum error_code code)
{
    assert(code < ERROR_CODE_COUNT);
    return ROWS[code].sentence;
}

const char *error_remedy(enum error_code code)
{
    assert(code < ERROR_CODE_COUNT);
    return ROWS[code].remedy;
}

enum disposition error_disposition(enum error_code code)
{
    assert(code < ERROR_CODE_COUNT);
    return ROWS[code].disposition;
}

bool error_code_from_name(struct text name, enum error_code *ret_code)
{
    for (size_t i = 0; i < ERROR_CODE_COUNT; i++) {
        if (text_equal(name, text_from(ROWS[i].name))) {
            *ret_code = (enum error_code)i;
            return true;
        }
    }
    return false;
}
