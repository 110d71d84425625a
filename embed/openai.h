/*
 * openai.h - what an embedding server's refusal means for the lane. Pure.
 *
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef EMBED_OPENAI_H
#define EMBED_OPENAI_H

#include "worker/base/error.h"

enum verdict {
    VERDICT_WAIT,     /* slow down and send it again: ERR_THROTTLED */
    VERDICT_SLOW,     /* likewise, and we grew too fast */
    VERDICT_BILLING,  /* park the lane: ERR_BILLING */
    VERDICT_RETRY,    /* its fault, perhaps not for long: ERR_UNAVAILABLE */
    VERDICT_TOO_MUCH, /* halve it, and send less from now on: ERR_EMBED_REFUSED */
    VERDICT_FLOATS,   /* ask without base64 from now on: ERR_EMBED_CONFIG */
    VERDICT_CONFIG,   /* no text can help it: ERR_EMBED_CONFIG */
    VERDICT_REFUSED,  /* one of the texts is at fault: ERR_EMBED_REFUSED */
};

/* status: any but 200. err gets the verdict's code and the server's words, cut to 200 bytes. */
enum verdict openai_judge(unsigned status, struct text reply, struct error *err);

#endif
