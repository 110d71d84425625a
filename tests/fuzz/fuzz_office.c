/* The second byte: a whole container, or the text of its main member, of docx or odt. */
#include "extract/office.h"
#include "tests/fuzz/prose_check.h"
#include "tests/unit/zip_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_body(struct text body, bool is_odt, struct prose *prose)
{
    struct error err;
    bool is_read =
        is_odt ? office_read_odt(body, prose, &err) : office_read_docx(body, prose, &err);
    assert(is_read || err.code == ERR_DAMAGED || err.code == ERR_BOMB || err.code == ERR_PASSWORD);
}

static void read_wrapped(struct text xml, bool is_odt, struct prose *prose)
{
    struct zip_writer writer;
    struct text rest, main_part = text_cut(xml, '\f', &rest); /* what follows: styles or notes */
    zip_writer_begin(&writer);
    zip_writer_store(&writer, is_odt ? "content.xml" : "word/document.xml", main_part);
    zip_writer_store(&writer, is_odt ? "meta.xml" : "word/styles.xml", rest);
    if (!is_odt)
        zip_writer_store(&writer, "word/footnotes.xml", main_part);
    read_body(zip_writer_end(&writer), is_odt, prose);
    zip_writer_release(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 2)
        return 0;
    struct prose *prose = prose_of_first_byte(data, bytes);
    struct text body = text_slice((struct text){(const char *)data, bytes}, 2, bytes);
    bool is_odt = data[1] & 1, is_container = data[1] & 2;
    if (is_container)
        read_body(body, is_odt, prose);
    else
        read_wrapped(body, is_odt, prose);
    check_prose(prose);
    return 0;
}
