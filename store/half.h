/*
 * half.h - float32 to half precision, as halfvec keeps it. Pure.
 *
 * Owns:   nothing.
 * Thread: any.
 */
#ifndef STORE_HALF_H
#define STORE_HALF_H

#include <stdint.h>

/* IEEE 754 binary16, rounded to the nearest, ties to even: the bits. What is too large becomes
 * infinite, which halfvec refuses as it refuses the number. */
uint16_t half_bits(float value);

#endif
