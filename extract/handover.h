/*
 * handover.h - a packet, and descriptors with it, to whoever reads the other end of a socket.
 *
 * Owns:   nothing; what arrives are copies of the descriptors.
 * Thread: any.
 */
#ifndef EXTRACT_HANDOVER_H
#define EXTRACT_HANDOVER_H

#include "worker/base/text.h"

#define HANDOVER_FDS_MAX 4

/* flags: of sendmsg(), besides MSG_NOSIGNAL. False: nobody reads there, or not now; errno says. */
bool handover_send(int socket_fd, struct text packet, const int *fds, size_t fd_count, int flags);

#endif
