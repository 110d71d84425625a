#include "worker/base/address.h"

#include <string.h>

struct block {
    uint8_t bytes[16];
    unsigned bits;
};

/* IANA's special-purpose registries; 169.254.0.0/16 holds the metadata services. */
static const struct block V4[] = {
    {{0}, 8},
    {{10}, 8},
    {{100, 64}, 10},
    {{127}, 8},
    {{169, 254}, 16},
    {{172, 16}, 12},
    {{192, 0, 0}, 24},
    {{192, 0, 2}, 24},
    {{192, 31, 196}, 24},
    {{192, 52, 193}, 24},
    {{192, 88, 99}, 24},
    {{192, 168}, 16},
    {{192, 175, 48}, 24},
    {{198, 18}, 15},
    {{198, 51, 100}, 24},
    {{203, 0, 113}, 24},
    {{224}, 4},
    {{240}, 4},
};
/* Within 2000::/3, which is all that is public. */
static const struct block V6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};
static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t NAT64[12] = {0x00, 0x64, 0xff, 0x9b};

static bool lies_in(const uint8_t *bytes, const struct block *block)
{
    unsigned whole = block->bits / 8, rest = block->bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return memcmp(bytes, block->bytes, whole) == 0 &&
           (rest == 0 || (bytes[whole] & mask) == (block->bytes[whole] & mask));
}

bool address_is_public_v4(const uint8_t bytes[4])
{
    for (size_t i = 0; i < COUNT_OF(V4); i++)
        if (lies_in(bytes, &V4[i]))
            return false;
    return true;
}

bool address_is_public_v6(const uint8_t bytes[16])
{
    if (memcmp(bytes, MAPPED, sizeof(MAPPED)) == 0 || memcmp(bytes, NAT64, sizeof(NAT64)) == 0)
        return address_is_public_v4(bytes + 12);
    if ((bytes[0] & 0xe0) != 0x20)
        return false;
    for (size_t i = 0; i < COUNT_OF(V6); i++)
        if (lies_in(bytes, &V6[i]))
            return false;
    return true;
}
