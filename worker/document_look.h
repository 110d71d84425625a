/*
 * document_look.h - asks database and bucket what became of a document, and prints it.
 *
 * Thread: the loop thread, outside of callbacks.
 */
#ifndef WORKER_DOCUMENT_LOOK_H
#define WORKER_DOCUMENT_LOOK_H

#include "worker/cmd_ask.h"

struct document_look {
    struct app *app;
    struct uuid document;
    bool asks_bucket; /* the app has objects */
    bool is_json;
};

/* On stdout. *ret_is_there false: no such document, nothing was printed. */
bool document_look(const struct document_look *look, bool *ret_is_there,
                   struct error *err) MUST_CHECK;

#endif
