/*
 * openai.h - the dialects of the /embeddings endpoints: which server it is, what it may be asked,
 * and what its refusals mean for the lane. Pure.
 *
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef EMBED_OPENAI_H
#define EMBED_OPENAI_H

#include "embed/embed.h"

enum verdict {
    VERDICT_WAIT,     /* slow down and send it again: ERR_THROTTLED */
    VERDICT_SLOW,     /* likewise, and we grew too fast */
    VERDICT_BILLING,  /* park the lane: ERR_BILLING */
    VERDICT_RETRY,    /* its fault, perhaps not for long: ERR_UNAVAILABLE */
    VERDICT_TOO_MUCH, /* halve it, and send fewer tokens from now on: ERR_EMBED_REFUSED */
    VERDICT_TOO_MANY, /* halve it, and send fewer inputs from now on: ERR_EMBED_REFUSED */
    VERDICT_FLOATS,   /* ask without base64 from now on: ERR_EMBED_CONFIG */
    VERDICT_CONFIG,   /* no text can help it: ERR_EMBED_CONFIG */
    VERDICT_REFUSED,  /* one of the texts is at fault: ERR_EMBED_REFUSED */
};

struct dialect { /* of servers.def; limits are UINT32_MAX or UINT64_MAX where it has none */
    const char *key_header, *key_prefix;
    uint32_t inputs_max, requests_max;
    uint64_t request_bytes_max;
};

/* EMBED_SERVER_AUTO stays what it is where the address does not tell. */
enum embed_server_kind openai_find_server(enum embed_server_kind configured, struct text base_url);
struct dialect openai_dialect(enum embed_server_kind server);
/* status: any but 200. err gets the verdict's code and the server's words, cut to 200 bytes. */
enum verdict openai_judge(enum embed_server_kind server, unsigned status, struct text reply,
                          struct error *err);

#endif
