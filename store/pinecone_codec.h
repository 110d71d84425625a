/*
 * pinecone_codec.h - Pinecone's vectors dialect on the wire: bodies out, replies in. Pure.
 *
 * Bodies are packed by the bytes that really leave, not by an estimate. Floats are written by their
 * shortest text, so that what is stored is bit for bit what was embedded.
 * Owns:   nothing; appends to the caller's buffers, fills the request's memory.
 * Thread: any.
 */
#ifndef STORE_PINECONE_CODEC_H
#define STORE_PINECONE_CODEC_H

#include "store/vectors.h"
#include "worker/base/buffer.h"

#define PINECONE_BODY_BYTES_MAX 1900000 /* the store refuses more than 2,000,000 */
#define PINECONE_RECORDS_MAX 1000       /* of an upsert, ids of a delete */
#define PINECONE_LIST_MAX 100           /* names of a page */
#define PINECONE_FETCH_IDS_MAX 64       /* ids travel in the URL: about 4.5 KB */
#define PINECONE_MESSAGE_BYTES 161

/* The body of one upsert of the chunks from `from` on, as many as fit. Returns the end of their
 * range; `from` when not even one fits. */
size_t pinecone_write_upsert(struct buffer *out, const struct vectors_request *request,
                             uint32_t dimension_count, size_t from) MUST_CHECK;
/* The body of one delete of the ids from number `from` on. Returns the end of their range. */
uint32_t pinecone_write_delete(struct buffer *out, const struct vectors_request *request,
                               uint32_t from) MUST_CHECK;
void pinecone_write_query(struct buffer *out, const struct vectors_request *request,
                          uint32_t dimension_count);
/* The URL's query ("namespace=...&ids=...") of one fetch of the known chunks from `from` on.
 * Returns the end of their range; out stays empty when none is known any more. */
size_t pinecone_write_fetch(struct buffer *out, const struct vectors_request *request,
                            uint32_t dimension_count, size_t from) MUST_CHECK;

/* The URL's query of one page of names, "?namespace=...&limit=..."; empties request->cursor. Without
 * a tenant it is a page of namespaces. */
void pinecone_write_list(struct buffer *out, const struct vectors_request *request);

/* A gateway's page with status 200 is no success: these want the store's own words. ERR_PROTOCOL.
 */
bool pinecone_read_upserted(struct text reply, size_t count, struct error *err) MUST_CHECK;
bool pinecone_read_deleted(struct text reply, struct error *err) MUST_CHECK;
/* Fill request->matches. Ids that are not ours are left out. ERR_PROTOCOL. */
bool pinecone_read_matches(struct text reply, struct vectors_request *request,
                           struct error *err) MUST_CHECK;
/* Fill the rows of the chunks that came, and set chunk->vector: only when the text's hash in the
 * metadata is the chunk's, the width is right and the values are a usable vector. ERR_PROTOCOL. */
bool pinecone_read_vectors(struct text reply, struct vectors_request *request,
                           uint32_t dimension_count, struct error *err) MUST_CHECK;
/* Hands the names of {member: [{name: ...}]} to request->on_name, and the token of the next page to
 * request->cursor. ERR_PROTOCOL. */
bool pinecone_read_list(struct text reply, const char *member, const char *name,
                        struct vectors_request *request, struct error *err) MUST_CHECK;
/* The index has our dimension and the cosine metric: ERR_STORE_REFUSED otherwise, or ERR_PROTOCOL.
 */
bool pinecone_read_stats(struct text reply, uint32_t dimension_count, struct error *err) MUST_CHECK;
/* Translates an answer that is no success: {code, message}, {error: {code, message}} or plain text.
 */
bool pinecone_read_refusal(unsigned status, struct text reply, struct error *err); /* false */
/* 404 because the tenant has no namespace yet, and not because the address is wrong. */
bool pinecone_is_namespace_missing(unsigned status, struct text reply);

/* The longest prefix, cut on a character, that takes at most bytes_max in JSON if every character
 * outside of ASCII is escaped: stores measure metadata in their own way, none in a longer one. */
struct text pinecone_text_prefix(struct text text, size_t bytes_max);
/* Finite, and some value of at least 1e-8: what the store accepts, and cosine can compare. */
bool vector_is_usable(const float *vector, uint32_t dimension_count);

#endif
