/*
 * links.h - objects that lie behind a link (worker/model/link.h). Used through object.h.
 *
 * A link is sent byte for byte, without any credentials of ours, and to public addresses only. GET
 * and the look are both a GET, since a presigned link is signed for one method; the look asks for
 * one byte. A redirect is followed to another usable link, three times at most. What identifies the
 * version is the host's eTag, else the SHA-256 of the bytes.
 * Errors: ERR_LINK_REFUSED (the link has ended, or its host knows no such thing),
 *         ERR_LINK_FORBIDDEN; never ERR_GONE: a host is no bucket of ours. Messages name the host.
 * Owns:   its HTTP client. Borrows every request until on_done.
 * Thread: the loop thread; hashing on work threads.
 */
#ifndef QUEUE_LINKS_H
#define QUEUE_LINKS_H

#include "queue/object.h"

struct links;

struct links *links_open(struct loop *loop, const struct objects_options *options,
                         struct error *err) MUST_CHECK;
void links_send(struct links *links, struct object_request *request); /* GET and HEAD */
void links_cancel(struct links *links, struct object_request *request);
void links_close(struct links *links, void (*on_closed)(void *arg), void *arg);

#endif
