#include "extract/sniff.h"

#include "extract/pdf.h"

#define MAGIC_WITHIN_BYTES 1024 /* ISO 32000-1, annex H.3.4.1 */

static bool is_pdf(struct text body)
{
    size_t at;
    return text_find(text_slice(body, 0, MAGIC_WITHIN_BYTES), TEXT("%PDF-"), &at);
}

struct reader *sniff_open(struct text body, struct error *err)
{
    if (is_pdf(body))
        return pdf_open(body, err);
    error_set(err, ERR_NOT_PDF, "no %%PDF- within the first %d bytes", MAGIC_WITHIN_BYTES);
    return NULL;
}
