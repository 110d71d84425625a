#include "worker/term.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define COLUMNS_USUAL 80
#define ROWS_USUAL 24
#define CELL_COLUMNS_MAX 60
#define TABLE_BYTES_MAX ((size_t)64 << 20)

struct term term_on(FILE *out, bool no_color)
{
    bool is_terminal = isatty(fileno(out)) == 1;
    return (struct term){
        .out = out, .is_terminal = is_terminal, .has_colour = is_terminal && !no_color};
}

static struct winsize size_of(const struct term *term)
{
    struct winsize size;
    bool is_known =
        term->is_terminal && ioctl(fileno(term->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return is_known ? size : (struct winsize){.ws_col = COLUMNS_USUAL, .ws_row = ROWS_USUAL};
}

unsigned term_columns(const struct term *term)
{
    return size_of(term).ws_col;
}

unsigned term_rows(const struct term *term)
{
    unsigned rows = size_of(term).ws_row;
    return rows ? rows : ROWS_USUAL;
}

/* What a line takes: escape sequences take nothing, the bytes within a character neither. */
static size_t columns_shown(struct text line)
{
    size_t columns = 0;
    for (size_t i = 0; i < line.bytes; i++) {
        if (line.start[i] == '\033')
            while (i + 1 < line.bytes && line.start[i] != 'm')
                i++;
        else
            columns += ((uint8_t)line.start[i] & 0xc0) != 0x80;
    }
    return columns;
}

unsigned term_rows_of(struct text lines, unsigned columns)
{
    size_t rows = 0;
    while (lines.bytes) {
        size_t shown = columns_shown(text_cut(lines, '\n', &lines));
        rows += shown ? (shown + columns - 1) / columns : 1;
    }
    return (unsigned)rows;
}

void term_write(FILE *out, struct text text)
{
    if (text.bytes)
        fwrite(text.start, 1, text.bytes, out);
    fflush(out);
}

void term_redraw(struct term *term, struct text lines)
{
    if (term->is_terminal && term->drawn_lines)
        fprintf(term->out, "\033[%uA\033[J", term->drawn_lines); /* up, and clear to the end */
    term->drawn_lines = term_rows_of(lines, term_columns(term));
    term_write(term->out, lines);
}

void term_keep(struct term *term)
{
    term->drawn_lines = 0;
}

void term_append(struct buffer *out, const struct term *term, enum term_style style,
                 struct text text)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "",        [TERM_BOLD] = "\033[1m", [TERM_DIM] = "\033[2m",
        [TERM_GOOD] = "\033[32m", [TERM_BAD] = "\033[31m", [TERM_WARN] = "\033[33m",
    };
    bool is_styled = term->has_colour && style != TERM_PLAIN;
    if (is_styled)
        buffer_append_text(out, text_from(codes[style]));
    buffer_append_text(out, text);
    if (is_styled)
        buffer_append_text(out, TEXT("\033[0m"));
}

/* Bytes of the UTF-8 sequence at the start of valid text. */
static size_t sequence_bytes(char lead)
{
    uint8_t byte = (uint8_t)lead;
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

static bool is_shown(struct text character)
{
    uint8_t first = (uint8_t)character.start[0];
    if (character.bytes == 1)
        return first >= 0x20 && first != 0x7f;
    /* C1 controls (U+0080..9F), line separators (U+2028..9), and the marks that turn the direction
     * (U+202A..E, U+2066..9) */
    uint8_t second = (uint8_t)character.start[1];
    if (character.bytes == 2)
        return !(first == 0xc2 && second < 0xa0);
    uint8_t third = (uint8_t)character.start[2];
    return !(first == 0xe2 && ((second == 0x80 && third >= 0xa8 && third <= 0xae) ||
                               (second == 0x81 && third >= 0xa6 && third <= 0xa9)));
}

void term_append_foreign(struct buffer *out, struct text text, size_t columns_max)
{
    size_t columns = 0;
    if (!text_is_utf8(text)) {
        buffer_append_text(out, TEXT("?"));
        return;
    }
    for (size_t at = 0; at < text.bytes;) {
        struct text character = text_slice(text, at, at + sequence_bytes(text.start[at]));
        at += character.bytes;
        if (columns + 1 >= columns_max && at < text.bytes) {
            buffer_append_text(out, TEXT("…"));
            return;
        }
        if (is_shown(character))
            buffer_append_text(out, character);
        else
            buffer_append_char(out, ' ');
        columns++;
    }
}

void term_append_bar(struct buffer *out, uint64_t done, uint64_t total, unsigned columns)
{
    uint64_t full = total ? done * columns / total : 0;
    buffer_append_char(out, '[');
    for (unsigned i = 0; i < columns; i++)
        buffer_append_char(out, i < full ? '#' : '.');
    buffer_append_char(out, ']');
}

void term_append_count(struct buffer *out, uint64_t count)
{
    char digits[24];
    (void)text_format(digits, sizeof(digits), "%llu", (unsigned long long)count);
    size_t bytes = strlen(digits);
    for (size_t i = 0; i < bytes; i++) {
        if (i && (bytes - i) % 3 == 0)
            buffer_append_char(out, ',');
        buffer_append_char(out, digits[i]);
    }
}

void term_append_bytes(struct buffer *out, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 999.95 && unit + 1 < COUNT_OF(units); unit++)
        value /= 1000;
    buffer_format(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void term_append_folded(struct buffer *out, struct text words, struct term_fold fold)
{
    bool is_first = true;
    while (words.bytes) {
        struct text word = text_cut(words, ' ', &words);
        size_t columns = text_utf8_count(word);
        bool fits = is_first || fold.column + 1 + columns <= fold.columns;
        if (!fits) {
            buffer_append_char(out, '\n');
            for (size_t i = 0; i < fold.indent; i++)
                buffer_append_char(out, ' ');
            fold.column = fold.indent;
        } else if (!is_first) {
            buffer_append_char(out, ' ');
            fold.column++;
        }
        buffer_append_text(out, word);
        fold.column += columns;
        is_first = false;
    }
    buffer_append_char(out, '\n');
}

void term_table_add(struct term_table *table, struct text cell)
{
    struct buffer shown = buffer_new(4 * CELL_COLUMNS_MAX);
    term_append_foreign(&shown, cell, CELL_COLUMNS_MAX);
    table->cells = xrealloc(table->cells, table->cell_count + 1, sizeof(*table->cells));
    table->cells[table->cell_count++] = xstrdup(buffer_text(&shown));
    buffer_release(&shown);
}

static size_t columns_of(const struct term_table *table, size_t column)
{
    size_t widest = 0;
    for (size_t i = column; i < table->cell_count; i += table->column_count) {
        size_t columns = text_utf8_count(text_from(table->cells[i]));
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static void append_row(const struct term_table *table, size_t row, struct buffer *out)
{
    for (size_t column = 0; column < table->column_count; column++) {
        struct text cell = text_from(table->cells[row * table->column_count + column]);
        size_t gap = columns_of(table, column) - text_utf8_count(cell);
        bool is_right = table->right_aligned >> column & 1;
        bool is_last = column + 1 == table->column_count;
        for (size_t i = 0; is_right && i < gap; i++)
            buffer_append_char(out, ' ');
        buffer_append_text(out, cell);
        for (size_t i = 0; !is_right && !is_last && i < gap; i++)
            buffer_append_char(out, ' ');
        if (!is_last)
            buffer_append_text(out, TEXT("  "));
    }
}

void term_table_append(const struct term_table *table, const struct term *term, struct buffer *out)
{
    for (size_t row = 0; row < table->cell_count / table->column_count; row++) {
        AUTO_BUFFER struct buffer cells = buffer_new(32 * 1024);
        append_row(table, row, &cells);
        term_append(out, term, row == 0 ? TERM_BOLD : TERM_PLAIN, buffer_text(&cells));
        buffer_append_char(out, '\n');
    }
}

void term_table_print(const struct term_table *table, struct term *term)
{
    AUTO_BUFFER struct buffer lines = buffer_new(TABLE_BYTES_MAX);
    term_table_append(table, term, &lines);
    term_write(term->out, buffer_text(&lines));
}

void term_table_release(struct term_table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        xfree(table->cells[i]);
    xfree(table->cells);
    *table = (struct term_table){0};
}
