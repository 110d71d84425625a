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
#define DEEDS_MAX 16

struct embed_server {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopping;
    int listener;
    uint16_t port;
    bool is_stopping;
    enum deed deeds[DEEDS_MAX];
    size_t deed_count;
    unsigned calls, inputs_max;
};

void embed_server_vector(struct text text, float ret_vector[SERVER_WIDTH])
{
    uint8_t hash[SHA256_BYTES];
    sha256_of(text, hash);
    for (size_t i = 0; i < SERVER_WIDTH; i++)
        ret_vector[i] = (float)hash[i] / 64 - 2 + 1.0f / 128; /* exact, and never 0 */
}

/* ---- answers --------------------------------------------------------------------------------- */

static void write_vector(struct buffer *out, struct text text, enum deed deed, bool is_base64)
{
    float vector[SERVER_WIDTH];
    size_t width = deed == DEED_QUARTER && is_base64 ? SERVER_WIDTH / 4 : SERVER_WIDTH;
    embed_server_vector(text, vector);
    if (deed == DEED_NAN)
        vector[1] = (float)strtod("nan", NULL);
    if (is_base64 && deed != DEED_FLOATS && deed != DEED_QUARTER) {
        char base64[64];
        base64_encode((struct text){(const char *)vector, sizeof(vector)}, base64);
        buffer_format(out, "\"%.*s\"", (int)base64_encoded_bytes(sizeof(vector)), base64);
        return;
    }
    for (size_t i = 0; i < width; i++)
        buffer_format(out, "%s%.9g", i ? "," : "[", (double)vector[i]);
    buffer_append_char(out, ']');
}

static void write_embeddings(struct buffer *out, const struct json *input, enum deed deed,
                             bool is_base64)
{
    size_t count = json_count(input) - (deed == DEED_SHORT);
    buffer_append_text(out, TEXT("{\"object\":\"list\",\"data\":["));
    for (size_t i = 0; i < count; i++) {
        size_t index = deed == DEED_SHUFFLE ? count - 1 - i : i;
        buffer_format(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "",
                      index);
        enum deed row_deed = deed == DEED_NAN && index ? DEED_ANSWER : deed;
        write_vector(out, json_text(json_at(input, index)), row_deed, is_base64);
        buffer_append_char(out, '}');
    }
    buffer_format(out, "],\"model\":\"m\",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}",
                  count * 10, count * 10);
}

static unsigned write_error(struct buffer *out, unsigned status, const char *type, const char *code)
{
    buffer_format(out,
                  "{\"error\":{\"message\":\"the server says no\",\"type\":\"%s\",\"param\":null,"
                  "\"code\":\"%s\"}}",
                  type, code);
    return status;
}

/* Returns the status; 0: hang up. */
static unsigned write_reply(struct buffer *out, enum deed deed, const struct json *request)
{
    const struct json *input = json_member(request, "input");
    bool is_base64 = text_equal(json_member_text(request, "encoding_format"), TEXT("base64"));
    size_t at;
    for (size_t i = 0; i < json_count(input); i++)
        if (text_find(json_text(json_at(input, i)), TEXT("POISON"), &at))
            return write_error(out, 400, "invalid_request_error", "");
    switch (deed) {
    case DEED_RATE_LIMIT:
        return write_error(out, 429, "tokens", "rate_limit_exceeded");
    case DEED_BILLING:
        return write_error(out, 429, "insufficient_quota", "credit_balance_exhausted");
    case DEED_UNAUTHORIZED:
        return write_error(out, 401, "", "invalid_api_key");
    case DEED_SERVER_ERROR:
        return write_error(out, 500, "server_error", "");
    case DEED_DROP:
    case DEED_HANG:
        return 0;
    case DEED_GARBAGE:
        buffer_append_text(out, TEXT("<html><body>welcome</body></html>"));
        return 200;
    case DEED_TOO_MANY:
        if (json_count(input) > 2)
            return write_error(out, 400, "max_tokens_per_request", "max_tokens_per_request");
        break;
    case DEED_ANSWER:
    case DEED_FLOATS:
    case DEED_SHUFFLE:
    case DEED_SHORT:
    case DEED_NAN:
    case DEED_QUARTER:
    case DEED_TRUNCATE:
        break;
    }
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

static enum deed next_deed(struct embed_server *server, size_t input_count)
{
    pthread_mutex_lock(&server->mutex);
    size_t at = server->calls < server->deed_count ? server->calls : server->deed_count - 1;
    enum deed deed = server->deeds[at];
    server->calls++;
    if (input_count > server->inputs_max)
        server->inputs_max = (unsigned)input_count;
    while (deed == DEED_HANG && !server->is_stopping)
        pthread_cond_wait(&server->stopping, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
    return deed;
}

static void serve(struct embed_server *server, int fd)
{
    AUTO_BUFFER struct buffer request = buffer_new(REQUEST_BYTES_MAX);
    AUTO_BUFFER struct buffer reply = buffer_new(REQUEST_BYTES_MAX);
    AUTO_BUFFER struct buffer head = buffer_new(4096);
    struct text body;
    struct error err;
    if (!read_request(fd, &request, &body))
        return;
    AUTO_JSON struct json *json = json_parse(body, &err);
    enum deed deed = next_deed(server, json_count(json_member(json, "input")));
    unsigned status = write_reply(&reply, deed, json);
    if (status == 0)
        return;
    buffer_format(&head,
                  "HTTP/1.1 %u x\r\nContent-Type: application/json\r\nConnection: close\r\n"
                  "Content-Length: %zu\r\n%s\r\n",
                  status, reply.bytes, deed == DEED_RATE_LIMIT ? "retry-after-ms: 40\r\n" : "");
    struct text answer = buffer_text(&reply);
    send_all(fd, buffer_text(&head));
    send_all(fd, text_slice(answer, 0, deed == DEED_TRUNCATE ? answer.bytes / 2 : answer.bytes));
}

static void *run(void *arg)
{
    struct embed_server *server = arg;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            return NULL; /* shut down */
        serve(server, fd);
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
    server->deed_count = 1;
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->stopping, NULL);
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
    pthread_cond_broadcast(&server->stopping);
    pthread_mutex_unlock(&server->mutex);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
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
