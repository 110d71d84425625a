/* Writes every finite float32 there is and reads it back, by strtof and by ours:
 * exhaust_floats PART PARTS, so that each core can take a part. Minutes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/floats.h"

static bool comes_back(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    char text[FLOAT_TEXT_BYTES_MAX + 1];
    size_t bytes = float_format(value, text);
    text[bytes] = '\0';
    float theirs = strtof(text, NULL), ours = 0;
    size_t bytes_read = 0;
    if (float_parse((struct text){text, bytes}, &bytes_read, &ours) && bytes_read == bytes &&
        memcmp(&ours, &value, sizeof(value)) == 0 && memcmp(&theirs, &value, sizeof(value)) == 0)
        return true;
    printf("%08x %a was written %s\n", bits, (double)value, text);
    return false;
}

int main(int argc, char **argv)
{
    unsigned long part = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    unsigned long parts = argc == 3 ? strtoul(argv[2], NULL, 10) : 1;
    if (parts == 0 || part >= parts)
        return 2;
    uint64_t tried = 0, wrong = 0;
    for (uint64_t bits = part; bits < (uint64_t)1 << 32; bits += parts) {
        if ((bits >> 23 & 0xff) == 0xff)
            continue;
        tried++;
        wrong += !comes_back((uint32_t)bits);
    }
    printf("floats: %llu tried, %llu wrong\n", (unsigned long long)tried,
           (unsigned long long)wrong);
    return wrong != 0;
}
