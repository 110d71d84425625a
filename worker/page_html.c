#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "worker/page.h"
#include "worker/web.h"

#define BODY_MARK "<!-- body -->"

/* The script's words for the kinds. */
static const char *const KIND_NAMES[] = {
    [PAGE_TEXT] = "text",         [PAGE_ID] = "id",
    [PAGE_CODE] = "code",         [PAGE_STATE] = "state",
    [PAGE_PROGRESS] = "progress", [PAGE_COUNT] = "count",
    [PAGE_BYTES] = "bytes",       [PAGE_DURATION] = "duration",
    [PAGE_TIME] = "time",         [PAGE_REMEDY] = "text",
};

static void append_escaped(struct buffer *out, struct text text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        switch (text.start[i]) {
        case '&':
            buffer_append_text(out, TEXT("&amp;"));
            break;
        case '<':
            buffer_append_text(out, TEXT("&lt;"));
            break;
        case '>':
            buffer_append_text(out, TEXT("&gt;"));
            break;
        case '"':
            buffer_append_text(out, TEXT("&quot;"));
            break;
        default:
            buffer_append_char(out, text.start[i]);
        }
    }
}

static uint64_t number_of(struct text value)
{
    uint64_t number;
    return text_parse_u64(value, &number) ? number : 0; /* null: 0 */
}

/* 1234567 as 1,234,567. */
static void append_count(struct buffer *out, uint64_t number)
{
    char digits[24];
    (void)text_format(digits, sizeof(digits), "%" PRIu64, number);
    size_t count = strlen(digits);
    for (size_t i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            buffer_append_char(out, ',');
        buffer_append_char(out, digits[i]);
    }
}

static void append_bytes(struct buffer *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double number = (double)bytes;
    size_t unit = 0;
    for (; number >= 999.5 && unit + 1 < COUNT_OF(units); unit++)
        number /= 1000;
    buffer_format(out, unit && number < 9.95 ? "%.1f %s" : "%.0f %s", number, units[unit]);
}

static void append_duration(struct buffer *out, struct text value)
{
    struct text fraction, whole = text_cut(value, '.', &fraction);
    uint64_t seconds = number_of(whole);
    if (!value.bytes)
        return;
    if (seconds >= 3600)
        buffer_format(out, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
    else if (seconds >= 60)
        buffer_format(out, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
    else
        buffer_format(out, "%" PRIu64 " s", seconds);
}

/* 2026-11-21T13:20:00.123456Z: to the minute. */
static void append_time(struct buffer *out, struct text value)
{
    if (value.bytes < 16)
        return;
    buffer_append_text(out, TEXT("<time datetime=\""));
    append_escaped(out, value);
    buffer_append_text(out, TEXT("\">"));
    append_escaped(out, text_slice(value, 0, 10));
    buffer_append_char(out, ' ');
    append_escaped(out, text_slice(value, 11, 16));
    buffer_append_text(out, TEXT(" UTC</time>"));
}

static void append_progress(struct buffer *out, const struct page_row *row)
{
    uint64_t total = number_of(page_value(row, "total_documents"));
    uint64_t done = number_of(page_value(row, "processed_count")) +
                    number_of(page_value(row, "failed_count")) +
                    number_of(page_value(row, "cancelled_count"));
    buffer_format(out, "<progress max=\"%" PRIu64 "\" value=\"%" PRIu64 "\" aria-label=\"", total,
                  done);
    append_count(out, done);
    buffer_append_text(out, TEXT(" of "));
    append_count(out, total);
    buffer_append_text(out, TEXT(" documents\"></progress> "));
    append_count(out, done);
    buffer_append_char(out, '/');
    append_count(out, total);
}

/* What a person wants to know first: paused beats processing. */
static struct text state_of(const struct page_row *row)
{
    struct text status = page_value(row, "status"), control = page_value(row, "control");
    bool is_open = text_equal(status, TEXT("pending")) || text_equal(status, TEXT("processing"));
    if (is_open && text_equal(control, TEXT("pause")))
        return TEXT("paused");
    return is_open && text_equal(control, TEXT("cancel")) ? TEXT("being cancelled") : status;
}

static void append_cell(struct buffer *out, const struct page_row *row,
                        const struct page_column *column)
{
    struct text value = page_value(row, column->name);
    switch (column->kind) {
    case PAGE_TEXT:
        append_escaped(out, value);
        return;
    case PAGE_ID:
        buffer_append_text(out, TEXT("<code title=\""));
        append_escaped(out, value);
        buffer_append_text(out, TEXT("\">"));
        append_escaped(out, text_slice(value, 0, value.bytes < 8 ? value.bytes : 8));
        buffer_append_text(out, TEXT("</code>"));
        return;
    case PAGE_CODE:
        buffer_append_text(out, TEXT("<code>"));
        append_escaped(out, value);
        buffer_append_text(out, TEXT("</code>"));
        return;
    case PAGE_STATE:
        append_escaped(out, state_of(row));
        return;
    case PAGE_PROGRESS:
        append_progress(out, row);
        return;
    case PAGE_COUNT:
        append_count(out, number_of(value));
        return;
    case PAGE_BYTES:
        append_bytes(out, number_of(value));
        return;
    case PAGE_DURATION:
        append_duration(out, value);
        return;
    case PAGE_TIME:
        append_time(out, value);
        return;
    case PAGE_REMEDY:
        append_escaped(out, text_from(page_remedy(row)));
        return;
    }
}

void page_write_row(struct buffer *out, const struct page_row *row)
{
    buffer_append_text(out, TEXT("<tr role=\"row\">"));
    for (const struct page_column *column = row->part->columns; column->title; column++) {
        buffer_format(out, "<td role=\"cell\" data-title=\"%s\" class=\"%s", column->title,
                      KIND_NAMES[column->kind]);
        if (column->kind == PAGE_STATE) {
            buffer_append_char(out, ' ');
            append_escaped(out, state_of(row));
        }
        buffer_append_text(out, TEXT("\">"));
        append_cell(out, row, column);
        buffer_append_text(out, TEXT("</td>"));
    }
    buffer_append_text(out, TEXT("</tr>\n"));
}

void page_open_part(struct buffer *out, const struct page_part *part)
{
    buffer_format(out,
                  "<section aria-labelledby=\"title-%s\"><h2 id=\"title-%s\">%s</h2>\n"
                  "<div class=\"scroll\" role=\"region\" aria-labelledby=\"title-%s\" "
                  "tabindex=\"0\"><table role=\"table\" id=\"%s\" "
                  "aria-labelledby=\"title-%s\"><thead role=\"rowgroup\"><tr role=\"row\">",
                  part->name, part->name, part->title, part->name, part->name, part->name);
    for (const struct page_column *column = part->columns; column->title; column++)
        buffer_format(out,
                      "<th role=\"columnheader\" scope=\"col\" class=\"%s\" data-name=\"%s\" "
                      "data-kind=\"%s\">%s</th>",
                      KIND_NAMES[column->kind], column->name, KIND_NAMES[column->kind],
                      column->title);
    buffer_append_text(out, TEXT("</tr></thead><tbody role=\"rowgroup\">"));
}

void page_close_part(struct buffer *out, const struct page_part *part, size_t row_count,
                     const char *note)
{
    buffer_append_text(out, TEXT("</tbody></table></div>\n"));
    if (!note && part->empty)
        buffer_format(out, "<p class=\"note\"%s>%s</p>", row_count ? " hidden" : "", part->empty);
    else if (note)
        buffer_format(out, "<p class=\"note\">%s</p>", note);
    buffer_append_text(out, TEXT("</section>\n"));
}

void page_write_figure(struct buffer *out, const char *name, uint64_t value)
{
    buffer_format(out, "<div><dt>");
    for (const char *c = name; *c; c++)
        buffer_append_char(out, *c == '_' ? ' ' : *c);
    buffer_format(out, "</dt><dd id=\"now-%s\">", name);
    append_count(out, value);
    buffer_append_text(out, TEXT("</dd></div>\n"));
}

void page_close_now(struct buffer *out)
{
    buffer_append_text(out, TEXT("</dl></section>\n"));
}

static size_t body_at(void)
{
    size_t at = 0;
    bool is_there = text_find(WEB_PAGE_HTML, TEXT(BODY_MARK), &at);
    assert(is_there);
    return at;
}

void page_open(struct buffer *out, bool is_ready)
{
    buffer_append_text(out, text_slice(WEB_PAGE_HTML, 0, body_at()));
    buffer_format(out,
                  "<p id=\"state\" role=\"status\" class=\"%s\">%s</p></header>\n"
                  "<main id=\"main\"><section aria-labelledby=\"title-now\"><h2 "
                  "id=\"title-now\">Now</h2><dl id=\"now\">\n",
                  is_ready ? "good" : "bad", is_ready ? "ready" : "not ready");
}

void page_close(struct buffer *out)
{
    size_t after = body_at() + strlen(BODY_MARK);
    buffer_append_text(out, TEXT("</main>\n"));
    buffer_append_text(out, text_slice(WEB_PAGE_HTML, after, WEB_PAGE_HTML.bytes));
}
