/*
 * charset.h - bytes of a text in any encoding in, UTF-8 out.
 *
 * Bytes that are UTF-8 are UTF-8, whatever is said about them. Else a byte order mark, the zeros of
 * UTF-16, the word of the document itself (HTML), and at last a guess by the frequency of letters.
 * Everything that converts is prepared by charset_warm_up(): glibc's converters are modules that
 * iconv_open() loads from the disk, which the sandbox forbids. Those of one byte a letter become
 * tables there; the others stay open.
 * Owns:   the converters, for good.
 * Thread: single-threaded processes only.
 */
#ifndef EXTRACT_CHARSET_H
#define EXTRACT_CHARSET_H

#include "worker/base/buffer.h"
#include "worker/base/error.h"

/* Once, before the first decoder. ERR_SANDBOX: the C library lacks an encoding. */
bool charset_warm_up(struct error *err) MUST_CHECK;

/* Is it text at all? By its beginning. */
bool charset_is_text(struct text body);

struct charset;
struct charset_decoder {
    struct text rest; /* private */
    const struct charset *charset;
};

/* declared: an encoding the document names, or TEXT_NONE. body is borrowed by the decoder. */
struct charset_decoder charset_decode(struct text body, struct text declared);
/* Appends some more (about 64 KiB, cut anywhere between two characters); of UTF-8 the bytes as they
 * are, which may be invalid. False: there is no more, or out is full. */
bool charset_next(struct charset_decoder *decoder, struct buffer *out) MUST_CHECK;
/* All of it. ERR_TEXT_MAX: out is full. */
bool charset_decode_all(struct text body, struct text declared, struct buffer *out,
                        struct error *err) MUST_CHECK;

/* Appends one code point, which is no surrogate, as UTF-8. */
void charset_append(struct buffer *out, uint32_t code_point);

#endif
