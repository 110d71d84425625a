/*
 * address.h - is this an address of the public internet? Pure.
 *
 * For what strangers name: private, loopback, link-local (with the metadata services of clouds),
 * multicast, documentation and other special addresses are not, nor are those that only wrap one
 * (mapped, NAT64); tunnels (6to4, Teredo) never are.
 * Thread: any.
 */
#ifndef WORKER_BASE_ADDRESS_H
#define WORKER_BASE_ADDRESS_H

#include "worker/base/text.h"

bool address_is_public_v4(const uint8_t bytes[4]); /* network order */
bool address_is_public_v6(const uint8_t bytes[16]);

#endif
