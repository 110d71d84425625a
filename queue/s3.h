/*
 * s3.h - objects of an S3 server of any vendor. Used through object.h.
 *
 * Every request is signed (worker/base/sigv4.h), path style with an endpoint, virtual-host style
 * at AWS. An answer that the clock is wrong, the bucket in another region or the key at its end
 * teaches that, and the request is sent once more (s3_learn.c); SlowDown makes all requests wait
 * for a while, and fewer go at once afterwards (s3_lane.c). A 404 of HEAD has no body and so could
 * come from anybody: a GET of one byte asks for the reason. A body of more than 16 MiB comes in
 * parts, four at a time (s3_ranges.c).
 * Bodies are checked against the checksum that the server keeps, or else against an eTag in the
 * form of an MD5; a server whose eTags only look like it is recognised by two equal downloads and
 * not checked again.
 * Owns:   its HTTP client and credentials. Borrows every request until on_done.
 * Thread: the loop thread; hashing on work threads.
 */
#ifndef QUEUE_S3_H
#define QUEUE_S3_H

#include "queue/object.h"

struct s3;

struct s3 *s3_open(struct loop *loop, const struct objects_options *options,
                   struct error *err) MUST_CHECK;
void s3_send(struct s3 *s3, struct object_request *request);
void s3_cancel(struct s3 *s3, struct object_request *request);
const char *s3_key_source(const struct s3 *s3);
void s3_close(struct s3 *s3, void (*on_closed)(void *arg), void *arg);

#endif
