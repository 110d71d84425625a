#include "tests/unit/scripted_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/test.h"

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strcasestr(request, "\r\nContent-Length:");
    return end && (!length || strlen(end + 4) >= strtoul(length + 17, NULL, 10));
}

static void read_request(int fd, char *request, size_t request_bytes)
{
    size_t bytes = 0;
    request[0] = '\0';
    while (!is_whole(request)) {
        ssize_t got = read(fd, request + bytes, request_bytes - 1 - bytes);
        if (got <= 0)
            return;
        bytes += (size_t)got;
        request[bytes] = '\0';
    }
}

static void play(struct scripted_server *server, int fd)
{
    const char *answer = server->script[server->request_count];
    read_request(fd, server->requests[server->request_count++], sizeof(server->requests[0]));
    (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL); /* the client may have heard enough */
}

static bool is_over(const struct scripted_server *server)
{
    return server->script && !server->script[server->request_count];
}

static void *serve(void *arg)
{
    struct scripted_server *server = arg;
    char request[sizeof(server->requests[0])];
    for (int fd; !is_over(server) && (fd = accept(server->listener, NULL, NULL)) >= 0; close(fd)) {
        if (server->script) {
            play(server, fd);
            continue;
        }
        read_request(fd, request, sizeof(request));
        server->answer(fd, request);
    }
    return NULL;
}

static void start(struct scripted_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &bytes), 0);
    server->port = ntohs(address.sin_port);
    assert_true(text_format(server->url, sizeof(server->url), "http://127.0.0.1:%u",
                            (unsigned)server->port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void scripted_server_start(struct scripted_server *server, const char *const *script)
{
    *server = (struct scripted_server){.script = script};
    for (size_t i = 0; script[i]; i++)
        assert_true(i < SCRIPT_MAX);
    start(server);
}

void scripted_server_start_with(struct scripted_server *server,
                                void (*answer)(int fd, const char *request))
{
    *server = (struct scripted_server){.answer = answer};
    start(server);
}

void scripted_server_stop(struct scripted_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
}
