/* What holds for every kind of markup: it is read as prose, or is damaged. */
#ifndef TESTS_FUZZ_MARKUP_CHECK_H
#define TESTS_FUZZ_MARKUP_CHECK_H

#include "extract/charset.h"
#include "extract/markup.h"
#include "tests/fuzz/prose_check.h"

static inline void check_markup(bool (*read)(struct text, struct prose *, struct error *),
                                const uint8_t *data, size_t bytes)
{
    static bool is_warm;
    struct error err;
    if (!is_warm)
        markup_warm_up();
    is_warm = is_warm || charset_warm_up(&err);
    assert(is_warm);
    struct prose *prose = prose_of_first_byte(data, bytes);
    struct text body = text_slice((struct text){(const char *)data, bytes}, 1, bytes);
    if (!read(body, prose, &err))
        assert(err.code == ERR_DAMAGED);
    check_prose(prose);
}

#endif
