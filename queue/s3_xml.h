/*
 * s3_xml.h - reads the XML that S3 servers answer: errors and pages of ListObjectsV2. Pure.
 *
 * What comes is hostile until proven otherwise: document types are refused, depth and sizes
 * bounded.
 * Thread: any.
 */
#ifndef QUEUE_S3_XML_H
#define QUEUE_S3_XML_H

#include "queue/object.h"
#include "worker/base/arena.h"

#define S3_LIST_ENTRIES_MAX 1000 /* what we ask for, and S3's own limit */

struct s3_fault {
    char code[64]; /* "NoSuchKey" */
    char message[160];
    char region[32]; /* where the bucket is, when the server says so */
};

struct s3_list {
    struct object_entry entries[S3_LIST_ENTRIES_MAX]; /* texts live in the arena */
    size_t entry_count;
    struct text next_token; /* TEXT_NONE: the last page */
};

/* False: this is no error document. */
bool s3_xml_fault(struct text xml, struct s3_fault *ret_fault) MUST_CHECK;
/* ERR_PROTOCOL: no list; ERR_NO_MEMORY: past the arena's budget. *ret_list is undefined then. */
bool s3_xml_list(struct text xml, struct arena *arena, struct s3_list *ret_list,
                 struct error *err) MUST_CHECK;

#endif
