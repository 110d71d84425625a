#include "worker/outcome.h"

#include <string.h>

#include "worker/base/json.h"

#define METADATA_BYTES_MAX ((size_t)64 * 1024)

/* What a reader of the row may want to know about the pages. OCR is for pictures and for letters
 * that mean nothing: not for empty pages, nor where half of the pages can be read. */
static void write_page_flags(struct json_writer *writer, const struct flow_result *result)
{
    static const struct {
        enum page_flag flag;
        const char *name;
    } flags[] = {
        {PAGE_HAS_NO_TEXT, "pages_without_text"},
        {PAGE_IS_PICTURE, "pages_scanned"},
        {PAGE_IS_GARBLED, "pages_garbled"},
        {PAGE_IS_DUBIOUS, "pages_dubious"},
        {PAGE_HAS_HIDDEN_TEXT, "pages_with_hidden_text"},
        {PAGE_IS_RIGHT_TO_LEFT, "pages_right_to_left"},
    };
    uint64_t unread = 0;
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        uint32_t count = result->flag_counts[__builtin_ctz(flags[i].flag)];
        json_write_u64(writer, flags[i].name, count);
        if (flags[i].flag & (PAGE_IS_PICTURE | PAGE_IS_GARBLED))
            unread += count;
    }
    json_write_bool(writer, "needs_ocr", unread * 2 > result->page_count);
}

/* Of all tokens billed, in the currency of the price; 0: not known. */
static double price_of(const struct flow_result *result)
{
    return (double)result->tokens_billed * result->token_price / 1e6;
}

static void write_metadata(struct buffer *out, const struct object_request *get,
                           const struct flow_result *result)
{
    struct json_writer writer = json_writer_new(out);
    json_open_object(&writer, NULL);
    json_write_text(&writer, "mime_type", result->mime_type);
    json_write_text(&writer, "title", result->title);
    json_write_u64(&writer, "bytes", get->body_bytes);
    json_write_u64(&writer, "pages", result->page_count);
    json_write_u64(&writer, "pages_skipped", result->pages_skipped);
    json_open_array(&writer, "skipped_pages");
    for (uint32_t i = 0; i < result->pages_skipped; i++)
        json_write_u64(&writer, NULL, result->skipped[i]);
    json_close_array(&writer);
    write_page_flags(&writer, result);
    json_write_u64(&writer, "text_bytes", result->text_bytes);
    json_write_u64(&writer, "chunks", result->chunk_count);
    json_write_u64(&writer, "chunks_known", result->chunks_known);
    json_write_u64(&writer, "tokens", result->token_count);
    json_write_u64(&writer, "tokens_billed", result->tokens_billed);
    if (result->token_price > 0)
        json_write_number(&writer, "price", price_of(result));
    json_write_u64(&writer, "extract_cpu_us", result->cpu_us);
    json_write_bool(&writer, "is_encrypted", result->is_encrypted);
    json_write_bool(&writer, "is_text_kept", result->text.start != NULL);
    json_close_object(&writer);
}

/* "The file is damaged beyond reading. (xref table broken) Repair the file ..." */
static void write_message(struct conclusion *conclusion)
{
    const char *sentence = error_sentence(conclusion->err.code);
    const char *detail = conclusion->err.message;
    bool says_more = detail[0] && strcmp(detail, sentence) != 0;
    (void)text_format(conclusion->message, sizeof(conclusion->message), "%s%s%s%s %s", sentence,
                      says_more ? " (" : "", says_more ? detail : "", says_more ? ")" : "",
                      error_remedy(conclusion->err.code));
}

void outcome_fill(struct conclusion *conclusion, const struct object_request *get,
                  const struct flow *flow, struct ledger_finish *ret_finish)
{
    static const struct flow_result nothing;
    const struct flow_result *result = flow ? flow_result(flow) : &nothing;
    bool is_live = conclusion->effect == EFFECT_LIVE;
    conclusion->metadata = buffer_new(METADATA_BYTES_MAX);
    write_metadata(&conclusion->metadata, get, result);
    if (conclusion->has_code)
        write_message(conclusion);
    ret_finish->effect = conclusion->effect;
    ret_finish->outcome = conclusion->outcome;
    ret_finish->has_code = conclusion->has_code;
    ret_finish->code = conclusion->has_code ? conclusion->err.code : ERR_BUG;
    ret_finish->message = text_from(conclusion->message);
    ret_finish->etag = text_from(get->etag);
    ret_finish->title = result->title;
    ret_finish->mime_type = result->mime_type;
    ret_finish->metadata = buffer_text(&conclusion->metadata);
    ret_finish->extracted_text = is_live ? result->text : TEXT_NONE;
    ret_finish->size_bytes = get->body_bytes;
    ret_finish->chunk_count = is_live ? result->chunk_count : 0;
    ret_finish->page_count = result->page_count;
    ret_finish->token_count = result->token_count;
    ret_finish->tokens_billed = result->tokens_billed;
    if (result->token_price > 0)
        ret_finish->price = text_from(json_format_number(price_of(result), conclusion->price));
    ret_finish->is_dirty = conclusion->is_dirty;
}

void outcome_release(struct conclusion *conclusion)
{
    buffer_release(&conclusion->metadata);
}
