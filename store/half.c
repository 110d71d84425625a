#include "store/half.h"

#include <string.h>

enum {
    FLOAT_INFINITY = 0x7f800000,
    HALF_INFINITY = 0x7c00,
    HALF_NAN = 0x7e00,
    TOO_LARGE = 0x47800000,    /* 2^16 */
    FIRST_NORMAL = 0x38800000, /* 2^-14 */
    BIAS_DIFFERENCE = 0x38000000,
    BITS_LOST = 13,
};

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

uint16_t half_bits(float value)
{
    uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffff;
    uint32_t sign = bits >> 16 & 0x8000, half;
    if (magnitude >= TOO_LARGE) {
        half = magnitude > FLOAT_INFINITY ? HALF_NAN : HALF_INFINITY;
    } else if (magnitude >= FIRST_NORMAL) {
        magnitude += (1 << (BITS_LOST - 1)) - 1 + (magnitude >> BITS_LOST & 1); /* may carry */
        half = (magnitude - BIAS_DIFFERENCE) >> BITS_LOST;
    } else { /* beside a half the last bit of a float is worth as much as that of a small half */
        half = bits_of((sign ? -value : value) + 0.5f) - bits_of(0.5f);
    }
    return (uint16_t)(sign | half);
}
