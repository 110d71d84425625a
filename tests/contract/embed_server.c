#include "tests/contract/embed_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/base/buffer.h"
#include "worker/base/crypto.h"
#include "worker/base/json.h"

#define REQUEST_BYTES_MAX ((size_t)8 << 20)
#define HUGE_BYTES ((size_t)1 << 20)
#define DEEDS_MAX 16
#define INPUTS_MAX 256

struct embed_server {
    pthread_t thread;
    pthread_mutex_t mutex;
    int listener, client; /* client -1: none */
    uint16_t port;
    bool is_stopping;
    enum deed deeds[DEEDS_MAX];
    size_t deed_count;
    unsigned calls, inputs_max;
    unsigned calls_of[INPUTS_MAX + 1]; /* by their inputs; more than INPUTS_MAX in none */
    const struct canned *canned;
    char head[2048];      /* of the last request */
    struct buffer inputs; /* each with a NUL behind it */
};

void embed_server_vector(struct text text, float ret_vector[SERVER_WIDTH])
{
    uint8_t hash[SHA256_BYTES];
    sha256_of(text, hash);
    for (size_t i = 0; i < SERVER_WIDTH; i++)
        ret_vector[i] = (float)hash[i] / 64 - 2 + 1.0f / 128; /* exact, and never 0 */
}

/* ---- answers --------------------------------------------------------------------------------- */

static void write_numbers(struct buffer *out, const float *vector, size_t width, enum deed deed)
{
    buffer_append_char(out, '[');
    for (size_t i = 0; i < width; i++)
        buffer_format(out, "%s%.9g", i ? "," : "", (double)vector[i]);
    if (deed == DEED_NULL)
        buffer_append_text(out, TEXT(",null"));
    else if (deed == DEED_INFINITE)
        buffer_append_text(out, TEXT(",1e999"));
    else if (deed == DEED_WIDE)
        buffer_append_text(out, TEXT(",1,1"));
    buffer_append_char(out, ']');
}

/* One value less than asked for, where another kind of value follows. */
static size_t width_of(enum deed deed, bool is_base64)
{
    if (deed == DEED_QUARTER && is_base64)
        return SERVER_WIDTH / 4;
    if (deed == DEED_EMPTY)
        return 0;
    bool is_replaced = deed == DEED_NULL || deed == DEED_INFINITE || deed == DEED_WIDE;
    return is_replaced ? SERVER_WIDTH - 1 : SERVER_WIDTH;
}

static void write_vector(struct buffer *out, struct text text, enum deed deed, bool is_base64)
{
    float vector[SERVER_WIDTH];
    size_t width = width_of(deed, is_base64);
    embed_server_vector(text, vector);
    if (deed == DEED_NAN)
        vector[1] = (float)strtod("nan", NULL);
    if (deed == DEED_ZERO)
        memset(vector, 0, sizeof(vector));
    if (is_base64 && width == SERVER_WIDTH && deed != DEED_FLOATS && deed != DEED_QUARTER) {
        char base64[64];
        base64_encode((struct text){(const char *)vector, sizeof(vector)}, base64);
        buffer_format(out, "\"%.*s\"", (int)base64_encoded_bytes(sizeof(vector)), base64);
        return;
    }
    write_numbers(out, vector, width, deed);
}

static bool is_of_the_first_alone(enum deed deed)
{
    return deed == DEED_NAN || deed == DEED_NULL || deed == DEED_INFINITE || deed == DEED_ZERO ||
           deed == DEED_EMPTY;
}

static bool has_word(const struct json *input, struct text word)
{
    size_t at;
    for (size_t i = 0; i < json_count(input); i++)
        if (text_find(json_text(json_at(input, i)), word, &at))
            return true;
    return false;
}

static void write_embeddings(struct buffer *out, const struct json *input, enum deed deed,
                             bool is_base64)
{
    size_t count = json_count(input), at, tokens = count * 10;
    count -= deed == DEED_SHORT;
    size_t last = count - 1;
    count += deed == DEED_TWICE;
    buffer_append_text(out, TEXT("{\"object\":\"list\",\"data\":["));
    for (size_t i = 0, written = 0; i < count; i++) {
        size_t index = deed == DEED_SHUFFLE ? last - i : i > last ? 0 : i;
        size_t told = deed == DEED_OUTSIDE && index == last ? count : index;
        struct text text = json_text(json_at(input, index));
        if (text_find(text, TEXT("FORGET"), &at))
            continue;
        buffer_format(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":",
                      written++ ? "," : "", told);
        write_vector(out, text, is_of_the_first_alone(deed) && index ? DEED_ANSWER : deed,
                     is_base64);
        buffer_append_char(out, '}');
    }
    buffer_format(out, "],\"model\":\"m\",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}",
                  tokens, tokens);
}

static unsigned write_error(struct buffer *out, unsigned status, const char *type, const char *code)
{
    buffer_format(out,
                  "{\"error\":{\"message\":\"the server says no\",\"type\":\"%s\",\"param\":null,"
                  "\"code\":\"%s\"}}",
                  type, code);
    return status;
}

static unsigned write_page(struct buffer *out, unsigned status)
{
    buffer_append_text(out, TEXT("<html><body>welcome</body></html>"));
    return status;
}

static unsigned write_filler(struct buffer *out, char c, size_t count)
{
    char *room = buffer_reserve(out, count);
    if (room)
        memset(room, c, count);
    out->bytes += room ? count : 0;
    return 200;
}

/* 0: not a refusal. */
static unsigned write_refusal(struct buffer *out, enum deed deed)
{
    switch (deed) {
    case DEED_RATE_LIMIT:
    case DEED_RATE_LIMIT_BARE:
        return write_error(out, 429, "tokens", "rate_limit_exceeded");
    case DEED_BILLING:
        return write_error(out, 429, "insufficient_quota", "credit_balance_exhausted");
    case DEED_UNAUTHORIZED:
        return write_error(out, 401, "", "invalid_api_key");
    case DEED_SERVER_ERROR:
        return write_error(out, 500, "server_error", "");
    case DEED_REQUEST_TIMEOUT:
        return write_error(out, 408, "", "");
    case DEED_UNAVAILABLE:
        return write_error(out, 503, "server_error", "");
    case DEED_BAD_GATEWAY:
        return write_page(out, 502);
    case DEED_GARBAGE:
        return write_page(out, 200);
    case DEED_DEEP:
        return write_filler(out, '[', 100000);
    case DEED_HUGE:
        return write_filler(out, ' ', HUGE_BYTES);
    default:
        return 0;
    }
}

/* Returns the status; 0: no answer. */
static unsigned write_reply(struct buffer *out, enum deed deed, const struct json *request)
{
    const struct json *input = json_member(request, "input");
    bool is_base64 = text_equal(json_member_text(request, "encoding_format"), TEXT("base64"));
    unsigned status = write_refusal(out, deed);
    if (status || deed == DEED_DROP || deed == DEED_HANG)
        return status;
    if (has_word(input, TEXT("POISON")))
        return write_error(out, 400, "invalid_request_error", "");
    if (has_word(input, TEXT("CRASH")))
        return write_error(out, 500, "server_error", "");
    if (deed == DEED_TOO_MANY && json_count(input) > 2)
        return write_error(out, 400, "max_tokens_per_request", "max_tokens_per_request");
    write_embeddings(out, input, deed, is_base64);
    return 200;
}

/* ---- the wire -------------------------------------------------------------------------------- */

static bool read_request(int fd, struct buffer *request, struct text *ret_body)
{
    static const struct text LENGTH = {"Content-Length: ", 16};
    for (;;) {
        size_t head_end, length_at;
        struct text text = buffer_text(request);
        if (text.bytes && text.start[0] != 'P')
            return false; /* somebody speaks TLS */
        if (text_find(text, TEXT("\r\n\r\n"), &head_end) && text_find(text, LENGTH, &length_at)) {
            size_t body_bytes = strtoul(text.start + length_at + LENGTH.bytes, NULL, 10);
            if (text.bytes >= head_end + 4 + body_bytes) {
                *ret_body = text_slice(text, head_end + 4, head_end + 4 + body_bytes);
                return true;
            }
        }
        char *room = buffer_reserve(request, 65536);
        ssize_t bytes = room ? recv(fd, room, 65536, 0) : 0;
        if (bytes <= 0)
            return false;
        request->bytes += (size_t)bytes;
    }
}

static void send_all(int fd, struct text text)
{
    while (text.bytes) {
        ssize_t bytes = send(fd, text.start, text.bytes, MSG_NOSIGNAL);
        if (bytes <= 0)
            return; /* the client may have given up */
        text = text_slice(text, (size_t)bytes, text.bytes);
    }
}

static enum deed next_deed(struct embed_server *server, const struct json *input)
{
    size_t input_count = json_count(input);
    pthread_mutex_lock(&server->mutex);
    for (size_t i = 0; i < input_count; i++) {
        buffer_append_text(&server->inputs, json_text(json_at(input, i)));
        buffer_append_char(&server->inputs, '\0');
    }
    size_t at = server->calls < server->deed_count ? server->calls : server->deed_count - 1;
    enum deed deed = server->deeds[at];
    server->calls++;
    if (input_count <= INPUTS_MAX)
        server->calls_of[input_count]++;
    if (input_count > server->inputs_max)
        server->inputs_max = (unsigned)input_count;
    pthread_mutex_unlock(&server->mutex);
    return deed;
}

static void wait_until_closed(int fd)
{
    char rest[64];
    while (recv(fd, rest, sizeof(rest), 0) > 0)
        continue;
}

static void break_off(int fd)
{
    struct linger linger = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static const char *headers_of(const struct embed_server *server, enum deed deed)
{
    if (deed == DEED_CANNED)
        return server->canned->headers;
    if (deed == DEED_RATED)
        return "x-ratelimit-limit-requests: 600\r\nx-ratelimit-remaining-requests: 0\r\n"
               "x-ratelimit-reset-requests: 6m0s\r\n";
    return deed == DEED_RATE_LIMIT ? "retry-after-ms: 40\r\n" : "";
}

static void answer(const struct embed_server *server, enum deed deed, unsigned status,
                   struct text reply)
{
    AUTO_BUFFER struct buffer head = buffer_new(4096);
    int fd = server->client;
    bool is_half = deed == DEED_TRUNCATE || deed == DEED_RESET || deed == DEED_STALL;
    buffer_format(&head,
                  "HTTP/1.1 %u x\r\nContent-Type: application/json\r\nConnection: close\r\n"
                  "Content-Length: %zu\r\n%s\r\n",
                  status, reply.bytes, headers_of(server, deed));
    send_all(fd, buffer_text(&head));
    send_all(fd, text_slice(reply, 0, is_half ? reply.bytes / 2 : reply.bytes));
    if (deed == DEED_RESET)
        break_off(fd);
}

static unsigned write_canned(struct buffer *out, const struct canned *canned)
{
    buffer_append_text(out, text_from(canned->body));
    return canned->status;
}

static void remember(struct embed_server *server, struct text request)
{
    pthread_mutex_lock(&server->mutex);
    (void)text_format(server->head, sizeof(server->head), "%.*s",
                      TEXT_ARGS(text_slice(request, 0, sizeof(server->head) - 1)));
    pthread_mutex_unlock(&server->mutex);
}

static void serve(struct embed_server *server, int fd)
{
    AUTO_BUFFER struct buffer request = buffer_new(REQUEST_BYTES_MAX);
    AUTO_BUFFER struct buffer reply = buffer_new(HUGE_BYTES);
    struct text body;
    struct error err;
    if (!read_request(fd, &request, &body))
        return;
    remember(server, buffer_text(&request));
    AUTO_JSON struct json *json = json_parse(body, &err);
    enum deed deed = next_deed(server, json_member(json, "input"));
    unsigned status = deed == DEED_CANNED ? write_canned(&reply, server->canned)
                                          : write_reply(&reply, deed, json);
    if (status)
        answer(server, deed, status, buffer_text(&reply));
    if (deed == DEED_HANG || deed == DEED_STALL)
        wait_until_closed(fd);
}

static bool set_client(struct embed_server *server, int fd)
{
    pthread_mutex_lock(&server->mutex);
    server->client = fd;
    bool is_stopping = server->is_stopping;
    pthread_mutex_unlock(&server->mutex);
    return !is_stopping;
}

static void *run(void *arg)
{
    struct embed_server *server = arg;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            return NULL; /* shut down */
        if (set_client(server, fd))
            serve(server, fd);
        (void)set_client(server, -1);
        close(fd);
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

struct embed_server *embed_server_start(void)
{
    struct embed_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof(address);
    if (!server)
        return NULL;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server->client = -1;
    server->deed_count = 1;
    server->inputs = buffer_new(SIZE_MAX / 2);
    pthread_mutex_init(&server->mutex, NULL);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server->listener, 64) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &address_bytes) != 0)
        abort();
    server->port = ntohs(address.sin_port);
    pthread_create(&server->thread, NULL, run, server);
    return server;
}

void embed_server_stop(struct embed_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->is_stopping = true;
    if (server->client >= 0)
        shutdown(server->client, SHUT_RDWR);
    pthread_mutex_unlock(&server->mutex);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    buffer_release(&server->inputs);
    free(server);
}

uint16_t embed_server_port(const struct embed_server *server)
{
    return server->port;
}

void embed_server_script(struct embed_server *server, const enum deed *deeds, size_t count)
{
    pthread_mutex_lock(&server->mutex);
    memcpy(server->deeds, deeds, count * sizeof(*deeds));
    server->deed_count = count;
    server->calls = server->inputs_max = 0;
    memset(server->calls_of, 0, sizeof(server->calls_of));
    buffer_clear(&server->inputs);
    pthread_mutex_unlock(&server->mutex);
}

static unsigned locked(struct embed_server *server, const unsigned *value)
{
    pthread_mutex_lock(&server->mutex);
    unsigned copy = *value;
    pthread_mutex_unlock(&server->mutex);
    return copy;
}

unsigned embed_server_calls(struct embed_server *server)
{
    return locked(server, &server->calls);
}

unsigned embed_server_inputs_max(struct embed_server *server)
{
    return locked(server, &server->inputs_max);
}

unsigned embed_server_calls_of(struct embed_server *server, size_t input_count)
{
    return locked(server, &server->calls_of[input_count]);
}

void embed_server_can(struct embed_server *server, const struct canned *canned)
{
    pthread_mutex_lock(&server->mutex);
    server->canned = canned;
    pthread_mutex_unlock(&server->mutex);
}

bool embed_server_heard(struct embed_server *server, const char *words)
{
    size_t at;
    pthread_mutex_lock(&server->mutex);
    bool is_there = text_find(text_from(server->head), text_from(words), &at);
    pthread_mutex_unlock(&server->mutex);
    return is_there;
}

size_t embed_server_place_of(struct embed_server *server, const char *words)
{
    size_t place = 0, at;
    pthread_mutex_lock(&server->mutex);
    struct text rest, input = text_cut(buffer_text(&server->inputs), '\0', &rest);
    while (!text_find(input, text_from(words), &at) && rest.bytes) {
        input = text_cut(rest, '\0', &rest);
        place++;
    }
    bool is_there = text_find(input, text_from(words), &at);
    pthread_mutex_unlock(&server->mutex);
    return is_there ? place : SIZE_MAX;
}
