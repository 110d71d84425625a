/* What every cmocka test includes, in the order cmocka wants. */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

/* cmocka.h needs what stands before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
/* clang-format on */

#include "worker/base/text.h"

/* assert_text(text, "literal") with the content in the failure's message. */
#define assert_text(actual, expected)                                                        \
    do {                                                                                     \
        struct text actual_text = (actual);                                                  \
        char actual_copy[4096];                                                              \
        (void)text_format(actual_copy, sizeof(actual_copy), "%.*s", TEXT_ARGS(actual_text)); \
        assert_string_equal(actual_copy, expected);                                          \
    } while (0)

/* In an on_done(): the call had its answer, the only one, and this is it. */
#define take_answer(call, answer)              \
    do {                                       \
        assert_false((call)->is_done);         \
        (call)->is_done = true;                \
        (call)->has_failed = (answer) != NULL; \
        if (answer)                            \
            (call)->err = *(answer);           \
    } while (0)

#endif
