#include "worker/model/document.h"

#include <assert.h>
#include <inttypes.h>

#include "worker/base/buffer.h"

/* Ours, drawn once: every document id of every installation derives from it. Never change it. */
static const struct uuid MILLRACE_SPACE = {{0x6d, 0x0c, 0x1f, 0x5e, 0x93, 0xa8, 0x4b, 0x27, 0x8e,
                                            0x41, 0xd5, 0x7a, 0x20, 0xb9, 0xc3, 0x64}};

struct document document_of(struct text bucket, struct text key)
{
    AUTO_BUFFER struct buffer name = buffer_new(SIZE_MAX / 2);
    buffer_append_text(&name, bucket);
    buffer_append_char(&name, '/'); /* no bucket's name holds one, so pairs stay apart */
    buffer_append_text(&name, key);
    return (struct document){uuid_v5(MILLRACE_SPACE, buffer_text(&name)), bucket, key};
}

struct uuid document_bare_job(const struct document *document, struct text version_identity)
{
    return uuid_v5(document->id, version_identity);
}

const char *outcome_name(enum document_outcome outcome)
{
    static const char *const names[OUTCOME_COUNT] = {
        [OUTCOME_SUCCESS] = "success",
        [OUTCOME_SKIPPED] = "skipped",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_CANCELLED] = "cancelled",
    };
    assert(outcome < OUTCOME_COUNT);
    return names[outcome];
}

const char *effect_name(enum document_effect effect)
{
    static const char *const names[EFFECT_COUNT] = {
        [EFFECT_LIVE] = "live",
        [EFFECT_KEEP] = "keep",
        [EFFECT_DROP] = "drop",
        [EFFECT_GONE] = "gone",
    };
    assert(effect < EFFECT_COUNT);
    return names[effect];
}

const char *vector_id_format(struct uuid document, uint64_t gen, uint32_t no,
                             char buffer[VECTOR_ID_BYTES_MAX])
{
    char id[UUID_TEXT_BYTES];
    bool fits = text_format(buffer, VECTOR_ID_BYTES_MAX, "%s#%" PRIx64 "#%" PRIu32,
                            uuid_format(document, id), gen, no);
    assert(fits);
    return buffer;
}

static bool parse_gen(struct text text, uint64_t *ret_gen)
{
    uint64_t gen = 0;
    if (text.bytes == 0 || text.bytes > 16)
        return false;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.start[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && (c < 'a' || c > 'f'))
            return false;
        gen = gen << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *ret_gen = gen;
    return true;
}

bool vector_id_parse(struct text id, struct uuid *ret_document, uint64_t *ret_gen, uint32_t *ret_no)
{
    struct text rest;
    struct uuid document;
    uint64_t gen, no;
    if (!uuid_parse(text_cut(id, '#', &rest), &document) ||
        !parse_gen(text_cut(rest, '#', &rest), &gen) || !text_parse_u64(rest, &no) ||
        no > UINT32_MAX)
        return false;
    /* Only the one spelling that vector_id_format() writes: no leading zeros. */
    char again[VECTOR_ID_BYTES_MAX];
    if (!text_equal(id, text_from(vector_id_format(document, gen, (uint32_t)no, again))))
        return false;
    *ret_document = document;
    *ret_gen = gen;
    *ret_no = (uint32_t)no;
    return true;
}
