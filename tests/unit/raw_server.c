#include "tests/unit/raw_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64

struct connection {
    int fd;
    pthread_t thread;
};

struct raw_server {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_uint connection_count;
    struct connection connections[CONNECTIONS_MAX];
};

struct exchange {
    int fd;
    char head[65536];
    size_t body_bytes;
};

static bool send_all(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        data += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

static bool send_string(int fd, const char *string)
{
    return send_all(fd, string, strlen(string));
}

static bool send_reply(int fd, const char *head, const char *body, size_t body_bytes)
{
    char start[512];
    snprintf(start, sizeof(start), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", head, body_bytes);
    return send_string(fd, start) && send_all(fd, body, body_bytes);
}

static bool read_request(struct exchange *exchange)
{
    size_t at = 0;
    char *end = NULL;
    while (!end) {
        ssize_t got = recv(exchange->fd, exchange->head + at, 1, 0); /* slow, and never too much */
        if (got <= 0 || at + 2 > sizeof(exchange->head))
            return false;
        exchange->head[++at] = '\0';
        end =
            at >= 4 && memcmp(exchange->head + at - 4, "\r\n\r\n", 4) == 0 ? exchange->head : NULL;
    }
    const char *length = strcasestr(exchange->head, "\r\nContent-Length:");
    size_t left = length ? strtoull(length + 17, NULL, 10) : 0;
    exchange->body_bytes = 0;
    while (exchange->body_bytes < left) {
        char piece[65536];
        size_t wanted = left - exchange->body_bytes;
        ssize_t got = recv(exchange->fd, piece, wanted < sizeof(piece) ? wanted : sizeof(piece), 0);
        if (got <= 0)
            return false;
        exchange->body_bytes += (size_t)got;
    }
    return true;
}

static bool wait_for_the_peer(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        ;
    return false;
}

static bool send_a_trickle(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLIN};
    while (poll(&peer, 1, 100) == 0)
        if (!send_string(fd, "x"))
            return false;
    return false;
}

static bool reply_big(int fd)
{
    size_t bytes = 1 << 20;
    char *body = malloc(bytes);
    memset(body, 'x', bytes);
    bool is_sent = send_reply(fd, "200 OK", body, bytes);
    free(body);
    return is_sent;
}

static bool reply_endless(int fd)
{
    bool is_sent = send_string(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (is_sent)
        is_sent = send_string(fd, "10\r\n0123456789abcdef\r\n");
    return false;
}

static bool reply_headers(int fd)
{
    bool is_sent = send_string(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; is_sent && i < 10000; i++)
        is_sent = send_string(fd, "X-Noise: 0123456789abcdef\r\n");
    return is_sent && send_string(fd, "\r\n");
}

static bool reply_status(int fd, const char *status)
{
    char head[128];
    snprintf(head, sizeof(head),
             "%.3s Some\r\nRetry-After: 7\r\nX-Two:  padded value \r\nx-two: second", status);
    return send_reply(fd, head, "status", strncmp(status, "304", 3) == 0 ? 0 : 6);
}

/* False: the connection is over. */
static bool reply(struct exchange *exchange)
{
    int fd = exchange->fd;
    char target[1024] = "", count[32];
    sscanf(exchange->head, "%*s %1023s", target);
    if (strstr(target, "/hang"))
        return wait_for_the_peer(fd);
    if (strstr(target, "/close"))
        return false;
    if (strstr(target, "/big"))
        return reply_big(fd);
    if (strstr(target, "/endless"))
        return reply_endless(fd);
    if (strstr(target, "/headers"))
        return reply_headers(fd);
    if (strstr(target, "/garbage"))
        return send_string(fd, "220 mail.example.com ESMTP\r\n") && false;
    if (strstr(target, "/redirect"))
        return send_reply(fd, "302 Found\r\nLocation: /echo", "", 0);
    if (strstr(target, "/half"))
        return send_string(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello") &&
               wait_for_the_peer(fd);
    if (strstr(target, "/trickle"))
        return send_string(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n") &&
               send_a_trickle(fd);
    if (strstr(target, "/interim"))
        return send_string(fd, "HTTP/1.1 103 Early Hints\r\nX-Which: interim\r\n\r\n") &&
               send_reply(fd, "200 OK\r\nX-Final: yes", "final", 5);
    if (strstr(target, "/status/"))
        return reply_status(fd, strstr(target, "/status/") + 8);
    if (strstr(target, "/count")) {
        snprintf(count, sizeof(count), "%zu", exchange->body_bytes);
        return send_reply(fd, "200 OK", count, strlen(count));
    }
    bool is_head = strncmp(exchange->head, "HEAD ", 5) == 0;
    return is_head ? send_string(fd, "HTTP/1.1 200 OK\r\nContent-Length: 123456\r\n\r\n")
                   : send_reply(fd, "200 OK", exchange->head, strlen(exchange->head));
}

static void *serve(void *arg)
{
    struct connection *connection = arg;
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    exchange->fd = connection->fd;
    while (read_request(exchange) && reply(exchange))
        ;
    shutdown(connection->fd, SHUT_RDWR); /* raw_server_stop closes it: the number stays ours */
    free(exchange);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct raw_server *server = arg;
    for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];
        connection->fd = accept(server->fd, NULL, NULL);
        if (connection->fd < 0)
            break;
        int is_on = 1;
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof(is_on));
        atomic_fetch_add(&server->connection_count, 1); /* before anything is answered */
        pthread_create(&connection->thread, NULL, serve, connection);
    }
    return NULL;
}

struct raw_server *raw_server_start(void)
{
    struct raw_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->fd, (struct sockaddr *)&address, length) != 0 || listen(server->fd, 64) != 0 ||
        getsockname(server->fd, (struct sockaddr *)&address, &length) != 0)
        abort();
    server->port = ntohs(address.sin_port);
    pthread_create(&server->thread, NULL, accept_all, server);
    return server;
}

uint16_t raw_server_port(const struct raw_server *server)
{
    return server->port;
}

unsigned raw_server_connections(struct raw_server *server)
{
    return atomic_load(&server->connection_count);
}

void raw_server_stop(struct raw_server *server)
{
    shutdown(server->fd, SHUT_RDWR); /* wakes accept() */
    pthread_join(server->thread, NULL);
    close(server->fd);
    for (unsigned i = 0; i < server->connection_count; i++) {
        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].fd);
    }
    free(server);
}
