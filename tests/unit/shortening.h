/* A buffer, and what is said of a function that shortens a text into it or does not understand it. */
#ifndef TESTS_UNIT_SHORTENING_H
#define TESTS_UNIT_SHORTENING_H

#include "tests/unit/test.h"
#include "worker/base/buffer.h"

static struct buffer out;

static inline int set_up(void **state)
{
    (void)state;
    out = buffer_new(4096);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    buffer_release(&out);
    return 0;
}

static inline void check_becomes(bool (*shorten)(struct text text, struct buffer *out),
                                 struct text text, const char *expected)
{
    buffer_clear(&out);
    assert_true(shorten(text, &out));
    assert_text(buffer_text(&out), expected);
}

static inline void check_not_understood(bool (*shorten)(struct text text, struct buffer *out),
                                        struct text text)
{
    buffer_clear(&out);
    assert_false(shorten(text, &out));
}

#endif
