/*
 * error.h - what went wrong, and what is to be done about it.
 *
 * A fallible function returns false or NULL and fills *err exactly then. What to do (wait, retry,
 * reject, stop) is a column of error.def, decided once; modules never decide.
 * Owns:   nothing; struct error is a value.
 * Thread: any.
 */
#ifndef WORKER_BASE_ERROR_H
#define WORKER_BASE_ERROR_H

#include "worker/base/text.h"

enum disposition {
    DISPOSITION_WAIT,   /* flow control: the lane waits, nobody's attempt is used up */
    DISPOSITION_RETRY,  /* the task leaves and comes back */
    DISPOSITION_REJECT, /* final for this document or event */
    DISPOSITION_SKIP,   /* final too, but nothing has failed: there is nothing to do with it */
    DISPOSITION_STOP,   /* the process cannot go on */
};

enum error_code {
#define X(code, name, disposition, sentence, remedy) ERR_##code,
#include "worker/base/error.def"
#undef X
    ERROR_CODE_COUNT
};

struct error {
    enum error_code code;
    uint32_t retry_after_ms; /* the peer's own wish (Retry-After), 0 when it said nothing */
    char message[256];       /* one line, outermost context first; no secret, no document text */
};

/* Both return false, so that a caller can write `return error_set(...)`. A NULL err is allowed. */
bool error_set(struct error *err, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3); /* "context: " + */
bool error_set_errno(struct error *err, enum error_code code, int errno_value, const char *what);

/* The code's own sentence as the message; returns err. */
struct error *error_of(struct error *err, enum error_code code);

const char *error_name(enum error_code code); /* "needs_password" */
const char *
error_sentence(enum error_code code); /* "The file can be opened only with a password." */
const char *error_remedy(enum error_code code);
enum disposition error_disposition(enum error_code code);
bool error_code_from_name(struct text name, enum error_code *ret_code) MUST_CHECK;

#endif
