/*
 * credentials_private.h - one source of the AWS key, and one attempt to get a key out of it.
 *
 * A source is a row of functions without state: advance() is called with no answer first, then with
 * each answer it asked for, until it has a key or gives up. credentials.c sends and times; a source
 * knows only what to ask and how to read the answer.
 */
#ifndef WORKER_BASE_CREDENTIALS_PRIVATE_H
#define WORKER_BASE_CREDENTIALS_PRIVATE_H

#include "worker/base/credentials.h"
#include "worker/base/http.h"

#define CREDENTIALS_BYTES_MAX ((size_t)64 * 1024) /* of files, answers and what is sent */

struct credentials_key {
    char *id, *secret, *session_token; /* session_token NULL: a long-lived key */
    uint64_t expires_ms;               /* since 1970; 0: never */
    uint64_t reread_ms;                /* look again after so long, 0: no need */
};

struct credentials_fetch {
    const char *(*getenv)(const char *name);
    struct text region;
    unsigned answers; /* read so far */
    struct http_request http;
    struct http_header headers[3];
    struct buffer url, body, secret; /* secret: a header's value; wiped with body */
    struct credentials_key key;      /* out */
};

enum fetch_next {
    FETCH_SEND, /* fetch->http, then advance() again */
    FETCH_DONE, /* fetch->key */
    FETCH_NONE, /* there is no key here, and that is in order */
    FETCH_FAILED,
};

struct credentials_source {
    const char *title;
    /* Is it configured? False: err (ERR_CONFIG), the setting cannot work. */
    bool (*find)(const struct credentials_fetch *fetch, bool *ret_is_there, struct error *err);
    enum fetch_next (*advance)(struct credentials_fetch *fetch, struct error *err);
    uint64_t timeout_ms; /* of one answer */
    unsigned attempts_max;
    bool is_optional; /* nobody at its address means that there is no such source */
};

extern const struct credentials_source CREDENTIALS_ENVIRONMENT, CREDENTIALS_WEB_IDENTITY,
    CREDENTIALS_PROFILE, CREDENTIALS_CONTAINER, CREDENTIALS_INSTANCE;

/* The variable without white space around it; TEXT_NONE when it is not set or empty. */
struct text credentials_variable(const struct credentials_fetch *fetch, const char *name);
/* Copies that key owns, only when both halves are there; ERR_PROTOCOL otherwise. */
bool credentials_take(struct credentials_key *key, const struct aws_key *from,
                      struct error *err) MUST_CHECK;
/* The JSON that containers and instances answer. */
bool credentials_read_json(struct credentials_fetch *fetch, struct error *err) MUST_CHECK;
/* ERR_CONFIG; the message names the path. */
bool credentials_read_file(struct text path, struct buffer *ret_content,
                           struct error *err) MUST_CHECK;

struct credentials_times { /* since 1970; UINT64_MAX: never */
    uint64_t refresh_ms, block_ms,
        valid_until_ms; /* renew in the background, wait for it, useless */
};
/* Pure. rng spreads the renewals of keys that end together. */
struct credentials_times credentials_times_of(const struct credentials_key *key, uint64_t wall_ms,
                                              struct rng *rng);
void credentials_key_wipe(struct credentials_key *key);

#endif
