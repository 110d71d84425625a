#include "tests/contract/fake_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPLY_BYTES_MAX (256 * 1024)

struct fake_server {
    pid_t pid;
    int port;
    char url[64];
    char reply[REPLY_BYTES_MAX];
};

static void die(const char *what)
{
    fprintf(stderr, "fake_server: %s\n", what);
    exit(1);
}

static void run_server(int out_fd, unsigned dimension_count)
{
    char script[4096], dimension[16];
    const char *source_dir = getenv("TEST_SOURCE_DIR");
    (void)text_format(script, sizeof(script), "%s/tests/fakes/server.py",
                      source_dir ? source_dir : ".");
    (void)text_format(dimension, sizeof(dimension), "%u", dimension_count);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out_fd, STDOUT_FILENO);
    execlp("python3", "python3", script, "--dimension", dimension, (char *)NULL);
    _exit(127);
}

/* The first line on its stdout is the port: it listens by then. */
static int read_port(int fd)
{
    char line[16];
    size_t bytes = 0;
    while (bytes + 1 < sizeof(line) && read(fd, line + bytes, 1) == 1 && line[bytes] != '\n')
        bytes++;
    uint64_t port = 0;
    return text_parse_u64((struct text){line, bytes}, &port) ? (int)port : 0;
}

struct fake_server *fake_server_start(unsigned dimension_count)
{
    int ends[2];
    struct fake_server *server = calloc(1, sizeof(*server));
    if (!server || pipe2(ends, O_CLOEXEC) != 0)
        die("pipe");
    fflush(NULL);
    server->pid = fork();
    if (server->pid < 0)
        die("fork");
    if (server->pid == 0)
        run_server(ends[1], dimension_count);
    close(ends[1]);
    server->port = read_port(ends[0]);
    close(ends[0]);
    if (!server->port) {
        int status = 0;
        waitpid(server->pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 127)
            die("the fakes did not start");
        printf("SKIPPED: no python3 for the fakes\n");
        exit(77);
    }
    (void)text_format(server->url, sizeof(server->url), "http://127.0.0.1:%d", server->port);
    return server;
}

void fake_server_stop(struct fake_server *server)
{
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    free(server);
}

const char *fake_server_url(const struct fake_server *server)
{
    return server->url;
}

/* A plain exchange, without the client that is under test. */
static struct text ask(struct fake_server *server, const char *head, const char *body)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)server->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("cannot connect");
    if (dprintf(fd,
                "%s HTTP/1.1\r\nHost: fake\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                head, strlen(body), body) < 0)
        die("cannot send");
    size_t bytes = 0;
    for (ssize_t got; (got = read(fd, server->reply + bytes, REPLY_BYTES_MAX - bytes)) > 0;)
        bytes += (size_t)got;
    close(fd);
    struct text reply = {server->reply, bytes};
    size_t at;
    assert_true(text_starts_with(reply, TEXT("HTTP/1.1 200 ")));
    assert_true(text_find(reply, TEXT("\r\n\r\n"), &at));
    return text_slice(reply, at + 4, bytes);
}

void fake_server_reset(struct fake_server *server)
{
    ask(server, "POST /_reset", "{}");
}

void fake_server_set_faults(struct fake_server *server, const char *json)
{
    ask(server, "POST /_faults", json);
}

struct text fake_server_state(struct fake_server *server)
{
    return ask(server, "GET /_state?brief", "");
}
