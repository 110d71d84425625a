#include "extract/document.h"

#include "extract/charset.h"
#include "extract/markup.h"
#include "extract/office.h"
#include "extract/pdf.h"
#include "extract/plain.h"
#include "extract/sniff.h"
#include "worker/base/memory.h"

#define TEXT_BYTES_MIN ((size_t)128 << 20) /* of memory; what may be sent is often less */

/* ---- documents without pages of their own ---------------------------------------------------- */

struct prose_reader {
    struct reader reader;
    struct prose *prose;
};

static bool read_pages(struct reader *reader, struct reader_block *block, struct error *err)
{
    struct prose *prose = container_of(reader, struct prose_reader, reader)->prose;
    for (uint32_t number = block->page_first; number <= block->page_last; number++) {
        if (!reader_enter_page(block, number))
            continue;
        struct page page = prose_page(prose, number);
        if (!reader_add_page(block, &page, err))
            return false;
    }
    return true;
}

static void close_prose(struct reader *reader)
{
    struct prose_reader *self = container_of(reader, struct prose_reader, reader);
    prose_free(self->prose);
    xfree(self);
}

static bool read_prose(struct text body, enum format format, struct prose *prose, struct error *err)
{
    switch (format) {
    case FORMAT_PLAIN:
        plain_read(body, prose);
        return true;
    case FORMAT_MARKDOWN:
        return markup_read_markdown(body, prose, err);
    case FORMAT_HTML:
        return markup_read_html(body, prose, err);
    case FORMAT_DOCX:
        return office_read_docx(body, prose, err);
    case FORMAT_ODT:
        return office_read_odt(body, prose, err);
    case FORMAT_UNKNOWN:
    case FORMAT_PDF:
    case FORMAT_COUNT:
        break;
    }
    return error_set(err, ERR_BUG, "no prose is written in format %d", (int)format);
}

static struct reader *open_prose(struct text body, enum format format, const struct wire_job *job,
                                 struct error *err)
{
    size_t text_bytes_max =
        job->text_bytes_max > TEXT_BYTES_MIN ? job->text_bytes_max : TEXT_BYTES_MIN;
    struct prose *prose = prose_new(text_bytes_max);
    bool is_read = read_prose(body, format, prose, err);
    if (is_read && prose_is_full(prose))
        is_read = error_set(err, ERR_TEXT_MAX, "more than %zu bytes of text", text_bytes_max);
    if (!is_read) {
        prose_free(prose);
        return NULL;
    }
    prose_finish(prose, job->page_text_bytes_max);
    struct prose_reader *self = xcalloc(1, sizeof(*self));
    self->prose = prose;
    self->reader = (struct reader){
        .page_count = prose_page_count(prose),
        .mime_type = format_mime_type(format),
        .title = prose_title(prose),
        .read = read_pages,
        .close = close_prose,
    };
    return &self->reader;
}

/* ---- public ---------------------------------------------------------------------------------- */

bool document_warm_up(struct error *err)
{
    markup_warm_up();
    return charset_warm_up(err);
}

struct reader *document_open(struct text body, const struct wire_job *job, struct error *err)
{
    struct sniffed sniffed = sniff(body, job->named);
    if (sniffed.format == FORMAT_UNKNOWN) {
        error_set(err, sniffed.code, "%s", sniffed.what);
        return NULL;
    }
    if (sniffed.format == FORMAT_PDF)
        return pdf_open(body, err);
    return open_prose(body, sniffed.format, job, err);
}
