#include "store/floats.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/base/json_pull.h"

/* 10^k for k = POWER_MIN .. POWER_MAX as 64-bit significands, rounded up: 10^k lies in
 * (g - 1, g] x 2^(power_exponent(k) - 63). Made with exact fractions; the exhaustive test would
 * find a wrong digit. */
enum { POWER_MIN = -31, POWER_MAX = 45 };
static const uint64_t POWERS[POWER_MAX - POWER_MIN + 1] = {
    0x81ceb32c4b43fcf5, 0xa2425ff75e14fc32, 0xcad2f7f5359a3b3f, 0xfd87b5f28300ca0e,
    0x9e74d1b791e07e49, 0xc612062576589ddb, 0xf79687aed3eec552, 0x9abe14cd44753b53,
    0xc16d9a0095928a28, 0xf1c90080baf72cb2, 0x971da05074da7bef, 0xbce5086492111aeb,
    0xec1e4a7db69561a6, 0x9392ee8e921d5d08, 0xb877aa3236a4b44a, 0xe69594bec44de15c,
    0x901d7cf73ab0acda, 0xb424dc35095cd810, 0xe12e13424bb40e14, 0x8cbccc096f5088cc,
    0xafebff0bcb24aaff, 0xdbe6fecebdedd5bf, 0x89705f4136b4a598, 0xabcc77118461cefd,
    0xd6bf94d5e57a42bd, 0x8637bd05af6c69b6, 0xa7c5ac471b478424, 0xd1b71758e219652c,
    0x83126e978d4fdf3c, 0xa3d70a3d70a3d70b, 0xcccccccccccccccd, 0x8000000000000000,
    0xa000000000000000, 0xc800000000000000, 0xfa00000000000000, 0x9c40000000000000,
    0xc350000000000000, 0xf424000000000000, 0x9896800000000000, 0xbebc200000000000,
    0xee6b280000000000, 0x9502f90000000000, 0xba43b74000000000, 0xe8d4a51000000000,
    0x9184e72a00000000, 0xb5e620f480000000, 0xe35fa931a0000000, 0x8e1bc9bf04000000,
    0xb1a2bc2ec5000000, 0xde0b6b3a76400000, 0x8ac7230489e80000, 0xad78ebc5ac620000,
    0xd8d726b7177a8000, 0x878678326eac9000, 0xa968163f0a57b400, 0xd3c21bcecceda100,
    0x84595161401484a0, 0xa56fa5b99019a5c8, 0xcecb8f27f4200f3a, 0x813f3978f8940985,
    0xa18f07d736b90be6, 0xc9f2c9cd04674edf, 0xfc6f7c4045812297, 0x9dc5ada82b70b59e,
    0xc5371912364ce306, 0xf684df56c3e01bc7, 0x9a130b963a6c115d, 0xc097ce7bc90715b4,
    0xf0bdc21abb48db21, 0x96769950b50d88f5, 0xbc143fa4e250eb32, 0xeb194f8e1ae525fe,
    0x92efd1b8d0cf37bf, 0xb7abc627050305ae, 0xe596b7b0c643c71a, 0x8f7e32ce7bea5c70,
    0xb35dbf821ae4f38c,
};

enum {
    FRACTION_BITS = 23,
    EXPONENT_BIAS = 127 + FRACTION_BITS, /* of value = significand x 2^(biased - EXPONENT_BIAS) */
    HIDDEN_BIT = 1 << FRACTION_BITS,
    DIGITS_MAX = 9,         /* of the shortest decimal of a float32 */
    NUMBER_BYTES_MAX = 400, /* far beyond what a float32 needs: 112 digits and an exponent */
};

#define TEN_TO_8 100000000u
#define TEN_TO_9 1000000000u
#define TEN_TO_10 10000000000u

__extension__ typedef unsigned __int128 uint128;

/* Left to itself the compiler calls what is only a few instructions long. */
#define ALWAYS_INLINE __attribute__((always_inline)) static inline

struct decimal { /* digits x 10^exponent */
    uint32_t digits;
    int exponent;
};

/* floor(log2(10^k)), right for |k| <= 1233. */
static int power_exponent(int k)
{
    return (k * 1741647) >> 19;
}

/* The upper 32 bits and more of power x factor; the lowest bit also says "and something". */
static uint32_t multiply_round_to_odd(uint64_t power, uint32_t factor)
{
    uint128 product = (uint128)power * factor;
    uint32_t whole = (uint32_t)(product >> 64);
    uint32_t rest = (uint32_t)(product >> 32);
    return whole | (rest > 1);
}

/* Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2021): scales the interval of
 * reals that round to value by a power of ten, so that it holds at least one and few integers, and
 * takes the one with a zero at its end, else the nearest. */
static struct decimal shortest_decimal(uint32_t significand, int exponent, bool is_closer_below)
{
    bool is_even = significand % 2 == 0; /* then the interval's ends round to value too */

    /* floor(log10(2^exponent)), or of 3/4 of it. */
    int k = (exponent * 1262611 - (is_closer_below ? 524031 : 0)) >> 22;
    int shift = exponent + power_exponent(-k) + 1;
    uint64_t power = POWERS[-k - POWER_MIN];
    uint32_t middle = multiply_round_to_odd(power, (4 * significand) << shift);
    uint32_t lower =
        multiply_round_to_odd(power, (4 * significand - 2 + is_closer_below) << shift) + !is_even;
    uint32_t upper = multiply_round_to_odd(power, (4 * significand + 2) << shift) - !is_even;

    /* Both candidates are made, and one is taken without a branch: which one is a matter of chance,
     * and a wrong guess of the processor costs more than the other half. */
    uint32_t down = middle / 4, tens = down / 10;
    bool is_down_inside = lower <= 4 * down, is_up_inside = 4 * down + 4 <= upper;
    uint32_t half = 4 * down + 2;
    bool is_nearer_up = (middle > half) | ((middle == half) & (down & 1));
    bool is_alone = is_down_inside ^ is_up_inside;
    uint32_t digits = down + ((is_alone & is_up_inside) | (!is_alone & is_nearer_up));
    bool is_ten_down_inside = lower <= 40 * tens, is_ten_up_inside = 40 * tens + 40 <= upper;
    bool has_ten = (down >= 10) & (is_ten_down_inside ^ is_ten_up_inside);
    uint32_t ten_mask = -(uint32_t)has_ten; /* no compiler makes a branch of this */
    return (struct decimal){digits ^ ((digits ^ (tens + is_ten_up_inside)) & ten_mask),
                            k + has_ten};
}

/* For each bit count what carries into the upper half when value has a digit more than the smallest
 * number of so many bits (D. Lemire and K. Willets, 2021). */
static unsigned digit_count(uint32_t value)
{
#define DIGITS(count) ((uint64_t)(count) << 32)
#define UP(count, power) (DIGITS(count) - (power))
    static const uint64_t CARRIES[32] = {
        DIGITS(1),  DIGITS(1),        DIGITS(1), UP(2, 10),       DIGITS(2),
        DIGITS(2),  UP(3, 100),       DIGITS(3), DIGITS(3),       UP(4, 1000),
        DIGITS(4),  DIGITS(4),        DIGITS(4), UP(5, 10000),    DIGITS(5),
        DIGITS(5),  UP(6, 100000),    DIGITS(6), DIGITS(6),       UP(7, 1000000),
        DIGITS(7),  DIGITS(7),        DIGITS(7), UP(8, 10000000), DIGITS(8),
        DIGITS(8),  UP(9, 100000000), DIGITS(9), DIGITS(9),       UP(10, 1000000000),
        DIGITS(10), DIGITS(10),
    };
#undef UP
#undef DIGITS
    return (unsigned)((value + CARRIES[31 - __builtin_clz(value | 1)]) >> 32);
}

/* Eight decimal digits, the first in the lowest byte: halves, pairs, digits, all at once in one
 * word. One product takes out above what it puts in below. value < 10^8. */
ALWAYS_INLINE uint64_t eight_digits(uint32_t value)
{
    uint64_t halves = ((uint64_t)value << 32) - value / 10000 * (((uint64_t)10000 << 32) - 1);
    uint64_t hundreds = (halves * 10486 >> 20) & 0x0000007f0000007f;
    uint64_t pairs = (halves << 16) - hundreds * ((100 << 16) - 1);
    uint64_t tens = (pairs * 103 >> 10) & 0x000f000f000f000f;
    return (pairs << 8) - tens * ((10 << 8) - 1);
}

#define EIGHT_ZEROS 0x3030303030303030u /* as text */

/* Returns the end. 9 bytes are written, whatever the count. */
static char *write_digits(char *at, uint32_t value, unsigned digits)
{
    bool has_nine = digits == 9;
    *at = (char)('0' + value / TEN_TO_8); /* overwritten when it is none */
    uint64_t text = eight_digits(value % TEN_TO_8) + EIGHT_ZEROS;
    text = htole64(text >> 8 * (8 - (digits - has_nine)));
    memcpy(at + has_nine, &text, sizeof(text));
    return at + digits;
}

static char *write_exponent_form(char *at, struct decimal decimal, unsigned digits)
{
    at = write_digits(at, decimal.digits, digits);
    *at++ = 'e';
    if (decimal.exponent < 0)
        *at++ = '-';
    uint32_t magnitude = (uint32_t)abs(decimal.exponent);
    return write_digits(at, magnitude, digit_count(magnitude));
}

/* point: how many digits stand before the decimal point; may be zero, negative or beyond. */
static char *write_plain_form(char *at, struct decimal decimal, unsigned digits, int point)
{
    if (point <= 0) {
        memcpy(at, "0.000000", 8); /* with more than two zeros the other form is shorter */
        return write_digits(at + 2 - point, decimal.digits, digits);
    }
    (void)write_digits(at, decimal.digits, digits);
    if (decimal.exponent >= 0) {
        memset(at + digits, '0', (size_t)decimal.exponent);
        return at + point;
    }
    memmove(at + point + 1, at + point, digits - (unsigned)point);
    at[point] = '.';
    return at + digits + 1;
}

static int plain_bytes(unsigned digits, int point)
{
    if (point <= 0)
        return 2 - point + (int)digits;
    return point < (int)digits ? (int)digits + 1 : point;
}

static char *write_decimal(char *at, struct decimal decimal)
{
    while (decimal.digits % 10 == 0) {
        decimal.digits /= 10;
        decimal.exponent++;
    }
    unsigned digits = digit_count(decimal.digits);
    int point = (int)digits + decimal.exponent;
    bool is_usual = point <= 0 && point >= -2; /* no form is shorter by two bytes then */
    int exponent_bytes = (int)digits + 2 + (decimal.exponent < 0) + (abs(decimal.exponent) >= 10);
    if (is_usual || plain_bytes(digits, point) <= exponent_bytes)
        return write_plain_form(at, decimal, digits, point);
    return write_exponent_form(at, decimal, digits);
}

/* Zeros, subnormal numbers and powers of two. */
static char *write_rare(char *at, uint32_t fraction, uint32_t biased)
{
    if (biased) /* half the gap below, but at the end of the range */
        return write_decimal(at,
                             shortest_decimal(HIDDEN_BIT, (int)biased - EXPONENT_BIAS, biased > 1));
    if (fraction)
        return write_decimal(at, shortest_decimal(fraction, 1 - EXPONENT_BIAS, false));
    memcpy(at, "0.0", 3); /* "-0" would be read as the integer 0 by some */
    return at + 3;
}

static char *write_unusual(char *at, uint32_t magnitude)
{
    uint32_t biased = magnitude >> FRACTION_BITS, fraction = magnitude & (HIDDEN_BIT - 1);
    assert(biased < 0xff); /* finite */
    if (!biased || !fraction)
        return write_rare(at, fraction, biased);
    return write_decimal(
        at, shortest_decimal(fraction | HIDDEN_BIT, (int)biased - EXPONENT_BIAS, false));
}

/* What nearly all values of a vector are, from 0.001 up to 1: one exact product scales the reals
 * that round to such a value, and the same decimal is found without a branch. Its digits are written
 * with all zeros before and behind them; those behind are left out. NULL: it is another value. */
ALWAYS_INLINE char *write_usual(char *at, uint32_t magnitude)
{
    enum { FIRST = 0x3a83126f, END = 0x3f800000 }; /* the bits of 0.001 and of 1 */
    static const struct {
        uint64_t power; /* of ten: one of its parts is no more than the last bit of a value */
        unsigned zeros; /* behind the point, before the last eight digits */
    } SCALES[] = {{TEN_TO_8, 0}, {TEN_TO_8, 0},  {TEN_TO_8, 0},  {TEN_TO_9, 1},  {TEN_TO_9, 1},
                  {TEN_TO_9, 1}, {TEN_TO_10, 2}, {TEN_TO_10, 2}, {TEN_TO_10, 2}, {TEN_TO_10, 2}};
    uint32_t fraction = magnitude & (HIDDEN_BIT - 1);
    if (magnitude - FIRST >= END - FIRST || fraction == 0)
        return NULL;
    unsigned shift = EXPONENT_BIAS - (magnitude >> FRACTION_BITS); /* value = significand/2^shift */
    unsigned zeros = SCALES[shift - FRACTION_BITS - 1].zeros;
    uint64_t power = SCALES[shift - FRACTION_BITS - 1].power, unit = (uint64_t)1 << shift;
    uint64_t scaled = (fraction | HIDDEN_BIT) * power;
    uint32_t whole = (uint32_t)(scaled >> shift), tens = whole / 10;
    uint32_t nearest = (uint32_t)((scaled + unit / 2 - 1 + whole % 2) >> shift);

    uint64_t reach = power / 2 + 1 - fraction % 2; /* the ends round to an even value too */
    uint64_t above = scaled - tens * (10 * unit);
    bool is_up = above + reach > 10 * unit;
    uint32_t ten_mask = -(uint32_t)(is_up | (above < reach)); /* no compiler makes a branch of it */
    uint32_t digits = nearest ^ ((nearest ^ (tens + is_up) * 10) & ten_mask);

    uint32_t has_nine = digits >= TEN_TO_8;
    uint64_t eight = eight_digits(digits - (TEN_TO_8 & -has_nine));
    if (eight == 0) /* 0.1 and 0.01 */
        return NULL;
    uint32_t start = htole32(0x30302e30 + (has_nine << 8 * (zeros + 1))); /* "0.00" */
    uint64_t text = htole64(eight + EIGHT_ZEROS);
    memcpy(at, &start, sizeof(start));
    memcpy(at + 2 + zeros, &text, sizeof(text));
    return at + 10 + zeros - (unsigned)__builtin_clzll(eight) / 8;
}

ALWAYS_INLINE char *write_float(char *at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t magnitude = bits & 0x7fffffff;
    *at = '-'; /* overwritten when there is none: signs cannot be guessed */
    at += bits >> 31;
    char *end = write_usual(at, magnitude);
    return end ? end : write_unusual(at, magnitude);
}

size_t float_format(float value, char ret_text[FLOAT_TEXT_BYTES_MAX])
{
    return (size_t)(write_float(ret_text, value) - ret_text);
}

size_t floats_format(const float *values, size_t count, char *ret_text)
{
    char *at = ret_text;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = ',';
        at = write_float(at, values[i]);
    }
    return (size_t)(at - ret_text);
}

struct number { /* digits x 10^exponent, digits cut after the 19th */
    uint64_t digits;
    int64_t exponent;
    bool is_negative;
    bool is_cut;
    size_t bytes;
};

struct cursor {
    const char *at, *end;
};

static bool at_digit(const struct cursor *cursor)
{
    return cursor->at < cursor->end && (unsigned char)(*cursor->at - '0') < 10;
}

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

/* Adds digits to the number; each one behind the point lowers the exponent. */
static bool scan_digits(struct cursor *cursor, struct number *number, bool is_fraction)
{
    const char *start = cursor->at;
    for (; at_digit(cursor); cursor->at++) {
        unsigned digit = (unsigned)(*cursor->at - '0');
        if (number->digits < 1000000000000000000) { /* 19 digits fit */
            number->digits = number->digits * 10 + digit;
            number->exponent -= is_fraction;
        } else {
            number->is_cut |= digit != 0;
            number->exponent += !is_fraction;
        }
    }
    return cursor->at > start;
}

static bool scan_exponent(struct cursor *cursor, struct number *number)
{
    bool is_negative = take(cursor, '-');
    if (!is_negative)
        (void)take(cursor, '+');
    if (!at_digit(cursor))
        return false;
    int64_t exponent = 0;
    for (; at_digit(cursor); cursor->at++)
        exponent = exponent < 100000 ? exponent * 10 + (*cursor->at - '0') : exponent;
    number->exponent += is_negative ? -exponent : exponent;
    return true;
}

/* JSON's grammar: no plus, no leading zero, digits on both sides of the point. */
static bool scan_number(struct text text, struct number *ret_number)
{
    struct cursor cursor = {text.start, text.start + text.bytes};
    struct number number = {.is_negative = take(&cursor, '-')};
    if (take(&cursor, '0')) {
        if (at_digit(&cursor))
            return false;
    } else if (!scan_digits(&cursor, &number, false)) {
        return false;
    }
    if (take(&cursor, '.') && !scan_digits(&cursor, &number, true))
        return false;
    if ((take(&cursor, 'e') || take(&cursor, 'E')) && !scan_exponent(&cursor, &number))
        return false;
    number.bytes = (size_t)(cursor.at - text.start);
    *ret_number = number;
    return number.bytes <= NUMBER_BYTES_MAX;
}

/* The 64-bit product of the number and a power of ten is wrong by less than 2 in its last place:
 * enough to round to 24 bits, unless it lies next to the middle between two floats. False: it does,
 * or the result is subnormal or infinite. */
static bool round_quickly(const struct number *number, float *ret_value)
{
    if (number->is_cut || number->exponent < POWER_MIN || number->exponent > POWER_MAX)
        return false;
    int k = (int)number->exponent;
    int zeros = __builtin_clzll(number->digits);
    uint128 product = (uint128)(number->digits << zeros) * POWERS[k - POWER_MIN];
    int exponent = power_exponent(k) + 64 - zeros; /* of the product's upper bit */
    if (!(product >> 127)) {
        product <<= 1;
        exponent--;
    }
    uint64_t upper = (uint64_t)(product >> 64);
    uint64_t rest = upper & 0xffffffffffu;
    const uint64_t half = (uint64_t)1 << 39;
    if (rest + 4 >= half && rest <= half + 4)
        return false;
    uint64_t significand = (upper >> 40) + (rest > half);
    int biased = exponent + 127;
    if (biased < 1 || biased > 253)
        return false;
    /* Adding carries from the significand into the exponent, as it should. */
    uint32_t bits = ((uint32_t)(biased - 1) << FRACTION_BITS) + (uint32_t)significand;
    bits |= (uint32_t)number->is_negative << 31;
    memcpy(ret_value, &bits, sizeof(bits));
    return true;
}

bool float_parse(struct text text, size_t *ret_bytes, float *ret_value)
{
    struct number number;
    float value;
    if (!scan_number(text, &number))
        return false;
    if (number.digits == 0) {
        value = number.is_negative ? -0.0f : 0.0f;
    } else if (!round_quickly(&number, &value)) {
        char copy[NUMBER_BYTES_MAX + 1];
        memcpy(copy, text.start, number.bytes);
        copy[number.bytes] = '\0';
        value = strtof(copy, NULL); /* the process never leaves the C locale */
        if (!isfinite(value))
            return false;
    }
    *ret_bytes = number.bytes;
    *ret_value = value;
    return true;
}

bool floats_read(struct text array, float *ret_values, size_t count)
{
    struct json_pull pull = json_pull_new(array);
    bool is_first = true;
    size_t read_count = 0;
    for (; json_pull_item(&pull, &is_first); read_count++) {
        size_t bytes;
        json_pull_peek(&pull);
        struct text rest = {pull.at, (size_t)(pull.end - pull.at)};
        if (read_count == count || !float_parse(rest, &bytes, &ret_values[read_count]))
            return false;
        pull.at += bytes;
    }
    json_pull_peek(&pull);
    return read_count == count && !pull.is_broken && pull.at == pull.end;
}
