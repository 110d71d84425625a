#include "worker/base/date.h"

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct civil {
    uint64_t year, month, day, hour, minute, second;
};

/* Days since 1970 of a date of the Gregorian calendar (Howard Hinnant, "chrono-compatible
 * low-level date algorithms"): timegm() is not in POSIX and knows years before 1970. */
static uint64_t days_since_1970(uint64_t year, uint64_t month, uint64_t day)
{
    year -= month <= 2;
    uint64_t era = year / 400, year_of_era = year % 400;
    uint64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    uint64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(uint64_t days, struct civil *ret_civil)
{
    uint64_t shifted = days + 719468;
    uint64_t era = shifted / 146097, day_of_era = shifted % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month_from_march = (5 * day_of_year + 2) / 153;
    ret_civil->day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    ret_civil->month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    ret_civil->year = year_of_era + era * 400 + (ret_civil->month <= 2);
}

static bool civil_to_ms(const struct civil *civil, uint64_t *ret_wall_ms)
{
    if (civil->year < 1970 || civil->month < 1 || civil->month > 12 || civil->day < 1 ||
        civil->day > 31 || civil->hour > 23 || civil->minute > 59 || civil->second > 60)
        return false;
    uint64_t days = days_since_1970(civil->year, civil->month, civil->day);
    *ret_wall_ms = (((days * 24 + civil->hour) * 60 + civil->minute) * 60 + civil->second) * 1000;
    return true;
}

/* Takes digit_count digits and, if it is not NUL, the character after them. */
static bool take_number(struct text *text, size_t digit_count, char after, uint64_t *ret_number)
{
    if (!text_parse_u64(text_slice(*text, 0, digit_count), ret_number) ||
        text->bytes < digit_count + (after != '\0'))
        return false;
    if (after && text->start[digit_count] != after)
        return false;
    *text = text_slice(*text, digit_count + (after != '\0'), text->bytes);
    return true;
}

static bool take_month(struct text *text, uint64_t *ret_month)
{
    for (uint64_t month = 0; month < 12; month++) {
        struct text name = {MONTHS + 3 * month, 3};
        if (!text_starts_with(*text, name) || text->bytes < 4 || text->start[3] != ' ')
            continue;
        *text = text_slice(*text, 4, text->bytes);
        *ret_month = month + 1;
        return true;
    }
    return false;
}

bool date_from_http(struct text text, uint64_t *ret_wall_ms)
{
    struct civil civil = {0};
    struct text rest;
    (void)text_cut(text, ',', &rest);
    if (!text_starts_with(rest, TEXT(" ")))
        return false;
    rest = text_slice(rest, 1, rest.bytes);
    return take_number(&rest, 2, ' ', &civil.day) && take_month(&rest, &civil.month) &&
           take_number(&rest, 4, ' ', &civil.year) && take_number(&rest, 2, ':', &civil.hour) &&
           take_number(&rest, 2, ':', &civil.minute) && take_number(&rest, 2, ' ', &civil.second) &&
           text_equal(rest, TEXT("GMT")) && civil_to_ms(&civil, ret_wall_ms);
}

/* ".123456" -> 123 */
static bool take_fraction(struct text *text, uint64_t *ret_ms)
{
    *ret_ms = 0;
    if (!text_starts_with(*text, TEXT(".")))
        return true;
    uint64_t scale = 100;
    size_t at = 1;
    for (; at < text->bytes && text->start[at] >= '0' && text->start[at] <= '9'; at++) {
        *ret_ms += scale * (uint64_t)(text->start[at] - '0');
        scale /= 10;
    }
    *text = text_slice(*text, at, text->bytes);
    return at > 1;
}

/* "Z", "+02:00", "-0530" */
static bool take_offset(struct text text, bool *ret_is_east, uint64_t *ret_ms)
{
    *ret_ms = 0;
    *ret_is_east = true;
    if (text_equal(text, TEXT("Z")))
        return true;
    if (!text_starts_with(text, TEXT("+")) && !text_starts_with(text, TEXT("-")))
        return false;
    *ret_is_east = text.start[0] == '+';
    text = text_slice(text, 1, text.bytes);
    uint64_t hours, minutes;
    if (!take_number(&text, 2, '\0', &hours))
        return false;
    if (text_starts_with(text, TEXT(":")))
        text = text_slice(text, 1, text.bytes);
    if (!take_number(&text, 2, '\0', &minutes) || text.bytes || hours > 23 || minutes > 59)
        return false;
    *ret_ms = (hours * 60 + minutes) * 60000;
    return true;
}

bool date_from_iso(struct text text, uint64_t *ret_wall_ms)
{
    struct civil civil = {0};
    uint64_t fraction_ms, offset_ms, wall_ms;
    bool is_east;
    if (!take_number(&text, 4, '-', &civil.year) || !take_number(&text, 2, '-', &civil.month) ||
        !take_number(&text, 2, 'T', &civil.day) || !take_number(&text, 2, ':', &civil.hour) ||
        !take_number(&text, 2, ':', &civil.minute) || !take_number(&text, 2, '\0', &civil.second) ||
        !take_fraction(&text, &fraction_ms) || !take_offset(text, &is_east, &offset_ms) ||
        !civil_to_ms(&civil, &wall_ms))
        return false;
    wall_ms += fraction_ms;
    if (is_east && offset_ms > wall_ms)
        return false;
    *ret_wall_ms = is_east ? wall_ms - offset_ms : wall_ms + offset_ms;
    return true;
}

const char *date_to_amz(uint64_t wall_ms, char buffer[DATE_AMZ_BYTES])
{
    uint64_t seconds = wall_ms / 1000;
    struct civil civil;
    civil_from_days(seconds / 86400, &civil);
    /* The casts and remainders tell the compiler that 16 characters are enough. */
    (void)text_format(buffer, DATE_AMZ_BYTES, "%04u%02u%02uT%02u%02u%02uZ",
                      (unsigned)(civil.year % 10000), (unsigned)civil.month, (unsigned)civil.day,
                      (unsigned)(seconds / 3600 % 24), (unsigned)(seconds / 60 % 60),
                      (unsigned)(seconds % 60));
    return buffer;
}
