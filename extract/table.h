/*
 * table.h - tables that came cell by cell, or column by column: row by row.
 *
 * A table is at least 3 rows, one below the other, of at least 3 short cells that stand in at least
 * 3 columns. Only lines that follow each other in reading order are looked at together.
 * Pure, n log n in the lines. Owns: nothing. Thread: any.
 */
#ifndef EXTRACT_TABLE_H
#define EXTRACT_TABLE_H

#include "extract/layout.h"

/* Puts the cells of tables in order and numbers their rows (line->row), from 1 on. */
void table_find(struct layout_page *page);

#endif
