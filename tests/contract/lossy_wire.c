#include "tests/contract/lossy_wire.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define PAIRS_MAX 16
#define LOOK_MS 20

struct pair {
    int client, server; /* 0: free */
};

struct lossy_wire {
    int listener, port, server_port;
    struct pair pairs[PAIRS_MAX];
    pthread_t thread;
    atomic_bool is_losing, is_over;
    atomic_uint lost_count;
};

static struct sockaddr_in address_of(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void end_pair(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    *pair = (struct pair){0};
}

static void open_pair(struct lossy_wire *wire)
{
    struct sockaddr_in address = address_of(wire->server_port);
    int client = accept(wire->listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bool is_connected = connect(server, (struct sockaddr *)&address, sizeof(address)) == 0;
    for (size_t i = 0; is_connected && i < PAIRS_MAX; i++) {
        if (wire->pairs[i].client)
            continue;
        wire->pairs[i] = (struct pair){client, server};
        return;
    }
    close(client);
    close(server);
}

/* ReadyForQuery, outside a transaction: what was sent is committed. */
static bool tells_end_of_transaction(const char *data, size_t bytes)
{
    static const char READY[] = {'Z', 0, 0, 0, 5, 'I'};
    return bytes >= sizeof(READY) &&
           memcmp(data + bytes - sizeof(READY), READY, sizeof(READY)) == 0;
}

static void pass(struct lossy_wire *wire, struct pair *pair, bool is_reply)
{
    char data[65536];
    ssize_t bytes = read(is_reply ? pair->server : pair->client, data, sizeof(data));
    bool is_lost = is_reply && atomic_load(&wire->is_losing) && bytes > 0;
    if (is_lost && !tells_end_of_transaction(data, (size_t)bytes))
        return;
    if (is_lost) {
        atomic_store(&wire->is_losing, false);
        atomic_fetch_add(&wire->lost_count, 1);
    }
    int to = is_reply ? pair->client : pair->server;
    if (bytes <= 0 || is_lost || send(to, data, (size_t)bytes, MSG_NOSIGNAL) != bytes)
        end_pair(pair);
}

static void *run(void *arg)
{
    struct lossy_wire *wire = arg;
    while (!atomic_load(&wire->is_over)) {
        struct pollfd polls[2 * PAIRS_MAX + 1] = {{.fd = wire->listener, .events = POLLIN}};
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            const struct pair *pair = &wire->pairs[i];
            polls[2 * i + 1] =
                (struct pollfd){.fd = pair->client ? pair->client : -1, .events = POLLIN};
            polls[2 * i + 2] =
                (struct pollfd){.fd = pair->client ? pair->server : -1, .events = POLLIN};
        }
        if (poll(polls, COUNT_OF(polls), LOOK_MS) <= 0)
            continue;
        for (size_t i = 0; i < 2 * PAIRS_MAX; i++)
            if (polls[i + 1].revents && wire->pairs[i / 2].client)
                pass(wire, &wire->pairs[i / 2], i % 2);
        if (polls[0].revents)
            open_pair(wire);
    }
    return NULL;
}

struct lossy_wire *lossy_wire_start(int server_port)
{
    struct lossy_wire *wire = xcalloc(1, sizeof(*wire));
    struct sockaddr_in address = address_of(0);
    socklen_t bytes = sizeof(address);
    wire->server_port = server_port;
    wire->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_return_code(bind(wire->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_return_code(listen(wire->listener, PAIRS_MAX), 0);
    assert_return_code(getsockname(wire->listener, (struct sockaddr *)&address, &bytes), 0);
    wire->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&wire->thread, NULL, run, wire), 0);
    return wire;
}

int lossy_wire_port(const struct lossy_wire *wire)
{
    return wire->port;
}

void lossy_wire_lose_next(struct lossy_wire *wire)
{
    atomic_store(&wire->is_losing, true);
}

unsigned lossy_wire_lost_count(struct lossy_wire *wire)
{
    return atomic_load(&wire->lost_count);
}

void lossy_wire_stop(struct lossy_wire *wire)
{
    atomic_store(&wire->is_over, true);
    pthread_join(wire->thread, NULL);
    for (size_t i = 0; i < PAIRS_MAX; i++)
        if (wire->pairs[i].client)
            end_pair(&wire->pairs[i]);
    close(wire->listener);
    xfree(wire);
}
