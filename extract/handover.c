#include "extract/handover.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

bool handover_send(int socket_fd, struct text packet, const int *fds, size_t fd_count, int flags)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(HANDOVER_FDS_MAX * sizeof(int))];
    } control = {0};
    struct iovec span = {(void *)packet.start, packet.bytes};
    struct msghdr message = {.msg_iov = &span, .msg_iovlen = 1};
    size_t fds_bytes = fd_count * sizeof(*fds);
    assert(fd_count <= HANDOVER_FDS_MAX);
    if (fd_count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fds_bytes);
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(fds_bytes)};
        memcpy(CMSG_DATA(&control.header), fds, fds_bytes);
    }
    return sendmsg(socket_fd, &message, flags | MSG_NOSIGNAL) >= 0;
}
