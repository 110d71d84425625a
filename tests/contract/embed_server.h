/*
 * embed_server.h - a loopback embeddings endpoint that does what a test tells it to.
 *
 * One thread, one connection at a time. Refuses (400) any call with "POISON" in one of its texts,
 * fails (500) any with "CRASH", and leaves out the vectors of texts with "FORGET".
 */
#ifndef TESTS_CONTRACT_EMBED_SERVER_H
#define TESTS_CONTRACT_EMBED_SERVER_H

#include "worker/base/text.h"

#define SERVER_WIDTH 8

enum deed {
    DEED_ANSWER, /* base64 when asked for it, else floats */
    DEED_FLOATS, /* floats whatever was asked */
    DEED_SHUFFLE,
    DEED_RATE_LIMIT,      /* 429, retry-after-ms: 40 */
    DEED_RATE_LIMIT_BARE, /* 429 and not a word about how long */
    DEED_RATED,           /* an answer; x-ratelimit: 600 requests a minute, none of them left */
    DEED_CANNED,          /* the next of embed_server_can() */
    DEED_BILLING,
    DEED_UNAUTHORIZED,
    DEED_SERVER_ERROR,
    DEED_REQUEST_TIMEOUT, /* 408 */
    DEED_BAD_GATEWAY,     /* 502 and a page of HTML */
    DEED_UNAVAILABLE,     /* 503 */
    DEED_DROP,            /* reads the request and hangs up */
    DEED_SHORT,           /* one vector too few */
    DEED_TWICE,           /* the first vector again after the last */
    DEED_OUTSIDE,         /* the last vector has an index that no input has */
    DEED_NAN,             /* in the first vector */
    DEED_NULL,            /* likewise, as numbers */
    DEED_INFINITE,        /* likewise, a number too large */
    DEED_ZERO,            /* likewise, all of it */
    DEED_EMPTY,           /* likewise, no values at all */
    DEED_WIDE,            /* a value too many in each vector */
    DEED_QUARTER,         /* vectors of a quarter of the width, when base64 was asked for */
    DEED_GARBAGE,         /* 200 and a page of HTML */
    DEED_DEEP,            /* 200 and 100,000 open brackets */
    DEED_HUGE,            /* 200 and more than any answer can have */
    DEED_TRUNCATE,        /* half of the announced body */
    DEED_RESET,           /* likewise, and the connection breaks off */
    DEED_STALL,           /* likewise, and nothing more until the client gives up */
    DEED_TOO_MANY,        /* 400 max_tokens_per_request for more than 2 inputs */
    DEED_HANG,            /* says nothing until the client gives up */
};

struct embed_server;
struct embed_server *embed_server_start(void);
void embed_server_stop(struct embed_server *server);
uint16_t embed_server_port(const struct embed_server *server);
struct canned {
    unsigned status;
    const char *headers; /* lines that end in \r\n, or "" */
    const char *body;
};
/* For every DEED_CANNED from now on; borrowed. */
void embed_server_can(struct embed_server *server, const struct canned *canned);
/* Whether the head of the last request has this in it. */
bool embed_server_heard(struct embed_server *server, const char *words);
/* The deeds of the next calls, in order; after them the last one goes on. */
void embed_server_script(struct embed_server *server, const enum deed *deeds, size_t count);
unsigned embed_server_calls(struct embed_server *server);      /* since the last script */
unsigned embed_server_inputs_max(struct embed_server *server); /* of one call, likewise */
unsigned embed_server_calls_of(struct embed_server *server, size_t input_count); /* likewise */
/* Among all inputs since the last script, in the order in which they came, the first with these words
 * in it has this place; SIZE_MAX: there is none. */
size_t embed_server_place_of(struct embed_server *server, const char *words);
/* The vector it gives for a text. */
void embed_server_vector(struct text text, float ret_vector[SERVER_WIDTH]);

#endif
