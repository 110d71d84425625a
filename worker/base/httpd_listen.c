#include "worker/base/httpd_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64

/* At the last colon; brackets around a v6 address are taken off. */
static bool split(struct text listen, struct text *ret_host, struct text *ret_port)
{
    size_t colon = listen.bytes;
    while (colon > 0 && listen.start[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct text host = text_slice(listen, 0, colon - 1);
    *ret_port = text_slice(listen, colon, listen.bytes);
    if (text_starts_with(host, TEXT("[")) && text_ends_with(host, TEXT("]")))
        host = text_slice(host, 1, host.bytes - 1);
    else if (host.bytes && memchr(host.start, ':', host.bytes))
        return false; /* "::1" without brackets: where would the port begin? */
    *ret_host = host;
    return true;
}

static int listen_on(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int is_on = 1;
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &is_on, sizeof(is_on)) == 0 &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int errno_before = errno;
    close(fd);
    errno = errno_before;
    return -1;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    memset(&address, 0, sizeof(address));
    socklen_t bytes = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        return 0;
    return address.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&address)->sin6_port)
                                         : ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

int httpd_listen(struct text listen, uint16_t *ret_port, struct error *err)
{
    struct text host, port;
    uint64_t number;
    char host_string[256], port_string[8];
    if (!split(listen, &host, &port) || !text_parse_u64(port, &number) || number > UINT16_MAX ||
        !text_format(host_string, sizeof(host_string), "%.*s", TEXT_ARGS(host)) ||
        !text_format(port_string, sizeof(port_string), "%u", (unsigned)number)) {
        error_set(err, ERR_CONFIG,
                  "MILLRACE_LISTEN: \"%.*s\" is not HOST:PORT; write for example 127.0.0.1:9464",
                  TEXT_ARGS(listen));
        return -1;
    }
    struct addrinfo *found,
        hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int status = getaddrinfo(host.bytes ? host_string : NULL, port_string, &hints, &found);
    if (status != 0) {
        error_set(err, ERR_CONFIG, "MILLRACE_LISTEN: %s: %s; write an address of this machine",
                  host_string, gai_strerror(status));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *info = found; info && fd < 0; info = info->ai_next)
        fd = listen_on(info);
    if (fd < 0)
        error_set(err, ERR_CONFIG, "MILLRACE_LISTEN: cannot listen on %.*s: %s; choose another",
                  TEXT_ARGS(listen), strerror(errno));
    else
        *ret_port = port_of(fd);
    freeaddrinfo(found);
    return fd;
}

bool httpd_is_loopback_address(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

bool httpd_is_loopback_host(struct text host)
{
    struct text port, name = host;
    struct in_addr v4;
    char copy[64];
    if (host.bytes == 0 || text_equal(host, TEXT("[::1]")))
        return true;
    (void)split(host, &name, &port); /* without a port it stays as it is */
    if (text_equal_nocase(name, TEXT("localhost")) || text_equal(name, TEXT("::1")))
        return true;
    return text_format(copy, sizeof(copy), "%.*s", TEXT_ARGS(name)) &&
           inet_pton(AF_INET, copy, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}
