/*
 * zip.h - the members of a zip container by name, inflated piece by piece. Pure.
 *
 * Only what office documents are made of: stored and deflated members that the central directory
 * names, within ZIP's old limits (4 GiB). Why not libarchive or libzip: they bring eight compression
 * and encryption libraries, and OpenSSL, into the sandbox, convert names through modules loaded
 * from the disk, and judge a bomb only after it has gone off. Here what the directory promises is
 * judged before a byte is inflated, and no member can give more than it promised.
 * Owns:   nothing of the body. Thread: any, one at a time.
 */
#ifndef EXTRACT_ZIP_H
#define EXTRACT_ZIP_H

#include "worker/base/error.h"

#define ZIP_ENTRIES_MAX 1000
#define ZIP_RATIO_MAX 100
#define ZIP_RATIO_FREE_BYTES ((uint64_t)1 << 20) /* so much may come out of anything */
#define ZIP_OUT_BYTES_MAX ((uint64_t)200 << 20)  /* of one member */

struct zip {
    struct text body; /* private */
    struct text directory;
    uint32_t entry_count;
};

struct zip_member {
    struct text packed; /* private from here */
    uint64_t bytes;     /* promised; not exceeded */
    bool is_deflated;
    bool is_encrypted; /* not to be had without a password */
};

/* body is borrowed. ERR_DAMAGED: there is no directory, or it lies. ERR_BOMB: more entries than
 * allowed. */
bool zip_open(struct text body, struct zip *ret_zip, struct error *err) MUST_CHECK;
/* False: no member has this name. */
bool zip_find(const struct zip *zip, struct text name, struct zip_member *ret_member) MUST_CHECK;
bool zip_has_folder(const struct zip *zip, struct text prefix); /* any member in it */
/* The name of the first member as it stands at the start of body, even when the rest is lost; and
 * its content when it is not compressed. False: that is no zip. */
bool zip_peek(struct text body, struct text *ret_name, struct text *ret_content);
/* Gives the member to take() in pieces, in order, until that answers false. ERR_BOMB, ERR_DAMAGED,
 * ERR_PASSWORD. */
bool zip_read(const struct zip_member *member, bool (*take)(void *arg, struct text piece),
              void *arg, struct error *err) MUST_CHECK;

#endif
