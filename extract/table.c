#include "extract/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/memory.h"

#define ROWS_MIN 3
#define CELLS_MIN 3       /* of a row, and of these so many below one of the row above */
#define CELL_CHARS_MAX 48 /* a longer line is no cell, and ends what may be a table */
#define MEAN_CHARS_MAX 24 /* for each cell of a row: else it is text in columns */
#define ROW_OVERLAP 0.5f  /* of the lower of two heights: they stand in one row */
#define ROW_GAP_MAX 2.5f  /* heights between two rows */

struct row {
    size_t start;     /* its first cell; they end where the next row's begin */
    size_t table_end; /* the first row of a table: where the table ends; else 0 */
    uint32_t number;  /* 0: not in a table */
};

/* A run of short lines, sorted into rows. */
struct grid {
    struct layout_line *lines; /* in reading order */
    size_t count;
    uint32_t *cells;  /* indexes of lines, row by row, each from left to right */
    struct row *rows; /* one more than row_count */
    size_t row_count;
};

static float middle(const struct layout_line *line)
{
    return (line->box.y1 + line->box.y2) / 2;
}

static float height(const struct layout_line *line)
{
    return line->box.y2 - line->box.y1;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int compare_down(const void *a, const void *b, void *lines)
{
    const struct layout_line *first = (const struct layout_line *)lines + *(const uint32_t *)a;
    const struct layout_line *second = (const struct layout_line *)lines + *(const uint32_t *)b;
    float down = middle(first) - middle(second);
    return down != 0                                     ? (down > 0) - (down < 0)
           : *(const uint32_t *)a < *(const uint32_t *)b ? -1
                                                         : 1;
}

static int compare_across(const void *a, const void *b, void *lines)
{
    const struct layout_line *first = (const struct layout_line *)lines + *(const uint32_t *)a;
    const struct layout_line *second = (const struct layout_line *)lines + *(const uint32_t *)b;
    float across = first->box.x1 - second->box.x1;
    return across != 0                                   ? (across > 0) - (across < 0)
           : *(const uint32_t *)a < *(const uint32_t *)b ? -1
                                                         : 1;
}

static bool is_same_row(const struct layout_line *first, const struct layout_line *line)
{
    float overlap = fminf(first->box.y2, line->box.y2) - fmaxf(first->box.y1, line->box.y1);
    return overlap > fminf(height(first), height(line)) * ROW_OVERLAP;
}

static void sort_into_rows(struct grid *grid)
{
    for (size_t i = 0; i < grid->count; i++)
        grid->cells[i] = (uint32_t)i;
    qsort_r(grid->cells, grid->count, sizeof(*grid->cells), compare_down, grid->lines);
    for (size_t from = 0, to; from < grid->count; from = to) {
        const struct layout_line *first = &grid->lines[grid->cells[from]];
        for (to = from + 1; to < grid->count; to++)
            if (!is_same_row(first, &grid->lines[grid->cells[to]]))
                break;
        qsort_r(grid->cells + from, to - from, sizeof(*grid->cells), compare_across, grid->lines);
        grid->rows[grid->row_count++].start = from;
    }
    grid->rows[grid->row_count].start = grid->count;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const struct layout_line *cell(const struct grid *grid, size_t row, size_t i)
{
    return &grid->lines[grid->cells[grid->rows[row].start + i]];
}

static size_t cell_count(const struct grid *grid, size_t row)
{
    return grid->rows[row + 1].start - grid->rows[row].start;
}

/* Short cells beside each other, none over another. */
static bool is_row(const struct grid *grid, size_t row)
{
    size_t count = cell_count(grid, row), chars = 0;
    for (size_t i = 0; i < count; i++) {
        chars += cell(grid, row, i)->char_count;
        if (i > 0 && cell(grid, row, i)->box.x1 < cell(grid, row, i - 1)->box.x2)
            return false;
    }
    return count >= CELLS_MIN && chars <= count * MEAN_CHARS_MAX;
}

/* Both rows are sorted from left to right: one walk along both finds the cells that overlap. */
static bool is_aligned(const struct grid *grid, size_t row)
{
    size_t above = 0, below = 0, overlaps = 0;
    while (above < cell_count(grid, row - 1) && below < cell_count(grid, row)) {
        const struct layout_line *first = cell(grid, row - 1, above),
                                 *second = cell(grid, row, below);
        overlaps += first->box.x1 < second->box.x2 && second->box.x1 < first->box.x2;
        if (first->box.x2 < second->box.x2)
            above++;
        else
            below++;
    }
    const struct layout_line *upper = cell(grid, row - 1, 0), *lower = cell(grid, row, 0);
    float gap = lower->box.y1 - upper->box.y2;
    return overlaps >= CELLS_MIN && gap < height(lower) * ROW_GAP_MAX;
}

/* Numbers the rows of tables; true if there are any. */
static bool find_tables(struct grid *grid, uint32_t *row_number)
{
    bool is_found = false;
    for (size_t from = 0, to; from < grid->row_count; from = to) {
        to = from + 1;
        if (!is_row(grid, from))
            continue;
        while (to < grid->row_count && is_row(grid, to) && is_aligned(grid, to))
            to++;
        if (to - from < ROWS_MIN)
            continue;
        is_found = true;
        grid->rows[from].table_end = to;
        for (size_t row = from; row < to; row++)
            grid->rows[row].number = ++*row_number;
    }
    return is_found;
}

/* The rows of a table; returns how many lines they are. */
static size_t put_table(struct grid *grid, size_t first, struct layout_line *ordered)
{
    size_t count = 0;
    for (size_t row = first; row < grid->rows[first].table_end; row++)
        for (size_t i = 0; i < cell_count(grid, row); i++) {
            ordered[count] = *cell(grid, row, i);
            ordered[count++].row = grid->rows[row].number;
        }
    return count;
}

/* Lines that are no cells keep their order; a table stands where its first cell was. */
static void put_in_order(struct grid *grid)
{
    struct layout_line *ordered = xcalloc(grid->count, sizeof(*ordered));
    size_t *tables = xcalloc(grid->count, sizeof(*tables)); /* of each line: its first row + 1 */
    bool *is_put = xcalloc(grid->row_count, sizeof(*is_put));
    size_t count = 0;
    for (size_t row = 0, first = 0; row < grid->row_count; row++) {
        first = grid->rows[row].table_end ? row : first;
        for (size_t i = 0; grid->rows[row].number && i < cell_count(grid, row); i++)
            tables[grid->cells[grid->rows[row].start + i]] = first + 1;
    }
    for (size_t i = 0; i < grid->count; i++) {
        size_t table = tables[i];
        if (table == 0) {
            ordered[count++] = grid->lines[i];
        } else if (!is_put[table - 1]) {
            is_put[table - 1] = true;
            count += put_table(grid, table - 1, ordered + count);
        }
    }
    memcpy(grid->lines, ordered, grid->count * sizeof(*ordered));
    xfree(ordered);
    xfree(tables);
    xfree(is_put);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void look_at_run(struct layout_line *lines, size_t count, uint32_t *row_number)
{
    struct grid grid = {.lines = lines, .count = count};
    if (count < ROWS_MIN * CELLS_MIN)
        return;
    grid.cells = xcalloc(count, sizeof(*grid.cells));
    grid.rows = xcalloc(count + 1, sizeof(*grid.rows));
    sort_into_rows(&grid);
    if (find_tables(&grid, row_number))
        put_in_order(&grid);
    xfree(grid.cells);
    xfree(grid.rows);
}

void table_find(struct layout_page *page)
{
    uint32_t row_number = 0;
    if (!page->has_boxes)
        return;
    for (size_t from = 0, to; from < page->line_count; from = to + 1) {
        for (to = from; to < page->line_count; to++)
            if (page->lines[to].char_count > CELL_CHARS_MAX)
                break;
        look_at_run(page->lines + from, to - from, &row_number);
    }
}
