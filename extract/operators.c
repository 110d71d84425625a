#include "extract/operators.h"

#define NAME_BYTES_MAX 3

#define NAME(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)
/* Found by trying: each name has a place of its own. The compiler would tell of two in one. */
#define PLACE(name) ((name) * 0xfd2cf1a3u >> 24)

struct row {
    uint32_t name;
    struct operator operator;
};

#define ROW(a, b, c, kind, operands_min) \
    [PLACE(NAME(a, b, c))] = {NAME(a, b, c), {kind, operands_min}}

/* clang-format off */
static const struct row ROWS[256] = {
    ROW('h', 0, 0, OPERATOR_DRAWING, 0),
    ROW('n', 0, 0, OPERATOR_DRAWING, 0),
    ROW('S', 0, 0, OPERATOR_DRAWING, 0),
    ROW('s', 0, 0, OPERATOR_DRAWING, 0),
    ROW('f', 0, 0, OPERATOR_DRAWING, 0),
    ROW('F', 0, 0, OPERATOR_DRAWING, 0),
    ROW('f', '*', 0, OPERATOR_DRAWING, 0),
    ROW('B', 0, 0, OPERATOR_DRAWING, 0),
    ROW('B', '*', 0, OPERATOR_DRAWING, 0),
    ROW('b', 0, 0, OPERATOR_DRAWING, 0),
    ROW('b', '*', 0, OPERATOR_DRAWING, 0),
    ROW('W', 0, 0, OPERATOR_DRAWING, 0),
    ROW('W', '*', 0, OPERATOR_DRAWING, 0),
    ROW('w', 0, 0, OPERATOR_DRAWING, 1),
    ROW('J', 0, 0, OPERATOR_DRAWING, 1),
    ROW('j', 0, 0, OPERATOR_DRAWING, 1),
    ROW('M', 0, 0, OPERATOR_DRAWING, 1),
    ROW('i', 0, 0, OPERATOR_DRAWING, 1),
    ROW('r', 'i', 0, OPERATOR_DRAWING, 1),
    ROW('s', 'h', 0, OPERATOR_DRAWING, 1),
    ROW('m', 0, 0, OPERATOR_DRAWING, 2),
    ROW('l', 0, 0, OPERATOR_DRAWING, 2),
    ROW('d', 0, 0, OPERATOR_DRAWING, 2),
    ROW('v', 0, 0, OPERATOR_DRAWING, 4),
    ROW('y', 0, 0, OPERATOR_DRAWING, 4),
    ROW('r', 'e', 0, OPERATOR_DRAWING, 4),
    ROW('c', 0, 0, OPERATOR_DRAWING, 6),
    ROW('g', 0, 0, OPERATOR_FILL, 1),
    ROW('r', 'g', 0, OPERATOR_FILL, 3),
    ROW('k', 0, 0, OPERATOR_FILL, 4),
    ROW('G', 0, 0, OPERATOR_STROKE, 1),
    ROW('R', 'G', 0, OPERATOR_STROKE, 3),
    ROW('K', 0, 0, OPERATOR_STROKE, 4),
    ROW('q', 0, 0, OPERATOR_SAVE, 0),
    ROW('Q', 0, 0, OPERATOR_RESTORE, 0),
    ROW('c', 'm', 0, OPERATOR_PLACE, 6),
    ROW('B', 'T', 0, OPERATOR_BEGIN_TEXT, 0),
    ROW('E', 'T', 0, OPERATOR_END_TEXT, 0),
    ROW('T', '*', 0, OPERATOR_TEXT, 0),
    ROW('T', 'L', 0, OPERATOR_TEXT, 1),
    ROW('T', 'c', 0, OPERATOR_TEXT, 1),
    ROW('T', 's', 0, OPERATOR_TEXT, 1),
    ROW('T', 'w', 0, OPERATOR_TEXT, 1),
    ROW('T', 'z', 0, OPERATOR_TEXT, 1),
    ROW('T', 'D', 0, OPERATOR_TEXT, 2),
    ROW('T', 'd', 0, OPERATOR_TEXT, 2),
    ROW('T', 'f', 0, OPERATOR_TEXT, 2),
    ROW('T', 'm', 0, OPERATOR_TEXT, 6),
    ROW('T', 'r', 0, OPERATOR_TEXT_OUTLINE, 1),
    ROW('T', 'J', 0, OPERATOR_SHOW, 1),
    ROW('T', 'j', 0, OPERATOR_SHOW, 1),
    ROW('\'', 0, 0, OPERATOR_SHOW, 1),
    ROW('"', 0, 0, OPERATOR_SHOW, 3),
    ROW('E', 'M', 'C', OPERATOR_OTHER, 0),
    ROW('B', 'M', 'C', OPERATOR_OTHER, 1),
    ROW('B', 'D', 'C', OPERATOR_OTHER, 2),
    ROW('M', 'P', 0, OPERATOR_OTHER, 1),
    ROW('D', 'P', 0, OPERATOR_OTHER, 2),
    ROW('D', 'o', 0, OPERATOR_OTHER, 1),
    ROW('g', 's', 0, OPERATOR_OTHER, 1),
    ROW('c', 's', 0, OPERATOR_OTHER, 1),
    ROW('C', 'S', 0, OPERATOR_OTHER, 1),
    ROW('s', 'c', 0, OPERATOR_OTHER, 1),
    ROW('S', 'C', 0, OPERATOR_OTHER, 1),
    ROW('s', 'c', 'n', OPERATOR_OTHER, 1),
    ROW('S', 'C', 'N', OPERATOR_OTHER, 1),
};
/* clang-format on */

struct operator operators_find(struct text name)
{
    uint32_t packed = 0;
    for (size_t i = 0; i < name.bytes && i < NAME_BYTES_MAX; i++)
        packed |= (uint32_t)(uint8_t)name.start[i] << 8 * i;
    const struct row *row = &ROWS[PLACE(packed)];
    bool is_found = name.bytes && name.bytes <= NAME_BYTES_MAX && row->name == packed;
    return is_found ? row->operator: (struct operator) { OPERATOR_UNKNOWN, 0 };
}
