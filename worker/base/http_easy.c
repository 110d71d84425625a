#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/base/address.h"
#include "worker/base/http_private.h"
#include "worker/base/memory.h"

static_assert(sizeof(((struct http_exchange *)0)->message) >= CURL_ERROR_SIZE, "curl's promise");

void http_exchange_doom(struct http_exchange *exchange, enum error_code code, const char *why)
{
    if (exchange->has_verdict)
        return;
    exchange->has_verdict = true;
    error_set(&exchange->verdict, code, "%s", why);
}

/* ---- what curl calls while a transfer runs --------------------------------------------------- */

static bool is_good_status(struct http_exchange *exchange)
{
    long status = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status <= 299;
}

static bool write_to_fd(int fd, struct text piece)
{
    while (piece.bytes) {
        ssize_t written = write(fd, piece.start, piece.bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        piece = text_slice(piece, (size_t)written, piece.bytes);
    }
    return true;
}

/* False dooms the exchange. */
static bool deliver(struct http_exchange *exchange, struct text piece)
{
    struct http_request *request = exchange->request;
    bool has_sink = request->on_data || request->reply_fd > 0;
    if (!has_sink || !is_good_status(exchange)) {
        buffer_append_text(&request->reply, piece); /* an error's body past its limit: is_full */
        return true;
    }
    if (request->on_data) {
        if (!request->on_data(request, piece))
            http_exchange_doom(exchange, ERR_CANCELLED, "the receiver wants no more of the body");
    } else if (!write_to_fd(request->reply_fd, piece)) {
        char reason[96];
        http_exchange_doom(exchange, ERR_IO, strerror_r(errno, reason, sizeof(reason)));
    }
    return !exchange->has_verdict;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_exchange *exchange = arg;
    struct http_request *request = exchange->request;
    size_t bytes = size * count;
    curl_off_t announced = -1;
    curl_easy_getinfo(exchange->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (bytes > request->reply_bytes_max - request->reply_bytes ||
        (announced > 0 && (uint64_t)announced > request->reply_bytes_max)) {
        http_exchange_doom(exchange, ERR_TOO_LARGE, "the body is larger than allowed");
        return 0;
    }
    request->reply_bytes += bytes;
    return deliver(exchange, (struct text){data, bytes}) ? bytes : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_exchange *exchange = arg;
    struct text line = {data, size * count};
    if (text_starts_with(line, TEXT("HTTP/")))
        buffer_clear(&exchange->headers); /* after an interim answer (1xx) */
    if (!buffer_append_text(&exchange->headers, line)) {
        http_exchange_doom(exchange, ERR_PROTOCOL, "the headers are larger than 64 KiB");
        return 0;
    }
    return line.bytes;
}

static size_t on_upload(char *data, size_t size, size_t count, void *arg)
{
    struct http_exchange *exchange = arg;
    struct http_request *request = exchange->request;
    uint64_t left = request->body_fd_bytes - exchange->read_bytes;
    size_t wanted = size * count < left ? size * count : (size_t)left;
    if (wanted == 0)
        return 0;
    ssize_t got;
    do
        got = pread(request->body_fd, data, wanted, (off_t)exchange->read_bytes);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        http_exchange_doom(exchange, ERR_IO, "the file to send could not be read to its end");
        return CURL_READFUNC_ABORT;
    }
    exchange->read_bytes += (uint64_t)got;
    return (size_t)got;
}

/* curl rewinds when a kept connection turns out to be dead and the request goes over a new one. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_exchange *exchange = arg;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    exchange->read_bytes = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* A connection stands and the request leaves next. */
static int on_send(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct http_exchange *exchange = arg;
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    exchange->request->sent_count++;
    return CURL_PREREQFUNC_OK;
}

static bool is_public(const struct curl_sockaddr *address)
{
    struct sockaddr_storage copy = {0}; /* curl's own struct promises no alignment */
    memcpy(&copy, &address->addr,
           address->addrlen < sizeof(copy) ? address->addrlen : sizeof(copy));
    if (address->family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&copy;
        return address_is_public_v4((const uint8_t *)&v4->sin_addr);
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&copy;
    return address->family == AF_INET6 && address_is_public_v6((const uint8_t *)&v6->sin6_addr);
}

/* libcurl 7.88 leaves its sockets open in children: the sandbox must not get one. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_exchange *exchange = arg;
    (void)purpose;
    if (exchange->is_public_only && !is_public(address)) {
        http_exchange_doom(exchange, ERR_LINK_FORBIDDEN, "it has an address that is not public");
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- what curl is told before ---------------------------------------------------------------- */

/* Options that curl may refuse: a string without memory, a protocol the build does not have. */
#define SET(easy, option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_protocol(CURL *easy)
{
    return SET(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
           SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
           /* "/bucket/../other" must not become another bucket's key */
           SET(easy, CURLOPT_PATH_AS_IS, 1L) && SET(easy, CURLOPT_PROXY, "") &&
           SET(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           SET(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION) &&
           SET(easy, CURLOPT_NOSIGNAL, 1L) &&
           /* else a cancel would wait for the resolver's thread, on our loop */
           SET(easy, CURLOPT_QUICK_EXIT, 1L);
}

static bool set_transport(CURL *easy, const struct http_options *options)
{
    bool is_good = SET(easy, CURLOPT_TCP_NODELAY, 1L) && SET(easy, CURLOPT_TCP_KEEPALIVE, 1L) &&
                   SET(easy, CURLOPT_TCP_KEEPIDLE, 30L) && SET(easy, CURLOPT_TCP_KEEPINTVL, 15L) &&
                   /* load balancers drop idle connections after 60 s and more */
                   SET(easy, CURLOPT_MAXAGE_CONN, 50L) &&
                   SET(easy, CURLOPT_BUFFERSIZE, 256L << 10) &&
                   SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10) &&
                   SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (options->connect_timeout_ms)
        is_good =
            is_good && SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    long bytes_per_s = options->stall_bytes_per_s ? (long)options->stall_bytes_per_s : 1;
    if (options->stall_timeout_ms)
        is_good =
            is_good && SET(easy, CURLOPT_LOW_SPEED_LIMIT, bytes_per_s) &&
            SET(easy, CURLOPT_LOW_SPEED_TIME, (long)((options->stall_timeout_ms + 999) / 1000));
    if (options->ca_file.bytes)
        is_good = is_good && SET(easy, CURLOPT_CAINFO, options->ca_file.start);
    return is_good;
}

static bool set_callbacks(CURL *easy, struct http_exchange *exchange)
{
    return SET(easy, CURLOPT_PRIVATE, exchange) &&
           SET(easy, CURLOPT_ERRORBUFFER, exchange->message) &&
           SET(easy, CURLOPT_WRITEFUNCTION, on_body) && SET(easy, CURLOPT_WRITEDATA, exchange) &&
           SET(easy, CURLOPT_HEADERFUNCTION, on_header) &&
           SET(easy, CURLOPT_HEADERDATA, exchange) &&
           SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) &&
           SET(easy, CURLOPT_OPENSOCKETDATA, exchange) &&
           SET(easy, CURLOPT_READFUNCTION, on_upload) && SET(easy, CURLOPT_READDATA, exchange) &&
           SET(easy, CURLOPT_SEEKFUNCTION, on_seek) && SET(easy, CURLOPT_SEEKDATA, exchange) &&
           SET(easy, CURLOPT_PREREQFUNCTION, on_send) && SET(easy, CURLOPT_PREREQDATA, exchange);
}

static bool set_body(CURL *easy, const struct http_request *request)
{
    if (request->body_fd > 0)
        return SET(easy, CURLOPT_UPLOAD, 1L) &&
               SET(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_fd_bytes);
    return SET(easy, CURLOPT_POST, 1L) &&
           SET(easy, CURLOPT_POSTFIELDS, request->body.start ? request->body.start : "") &&
           SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.bytes);
}

static bool set_method(CURL *easy, const struct http_request *request)
{
    struct text method = text_from(request->method);
    bool has_body = request->body_fd > 0 || request->body.bytes > 0 ||
                    text_equal(method, TEXT("POST")) || text_equal(method, TEXT("PUT"));
    if (has_body && !set_body(easy, request))
        return false;
    if (!has_body && text_equal(method, TEXT("HEAD")))
        return SET(easy, CURLOPT_NOBODY, 1L);
    return SET(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* A value may come from an event: a line end in it would be a header of somebody else's making. */
static bool is_one_line(struct text text)
{
    for (size_t i = 0; i < text.bytes; i++)
        if ((uint8_t)text.start[i] < 0x20 && text.start[i] != '\t')
            return false;
    return true;
}

static bool add_line(struct http_exchange *exchange, const char *line)
{
    struct curl_slist *longer = curl_slist_append(exchange->sent_headers, line);
    if (longer)
        exchange->sent_headers = longer;
    return longer != NULL;
}

static bool add_header(struct http_exchange *exchange, const struct http_header *header)
{
    if (header->name.bytes == 0 || !is_one_line(header->name) || !is_one_line(header->value)) {
        http_exchange_doom(exchange, ERR_PROTOCOL, "a header to send holds a control character");
        return false;
    }
    AUTO_BUFFER struct buffer line = buffer_new(SIZE_MAX / 2);
    buffer_append_text(&line, header->name);
    /* "Name;" is how curl is told of an empty value; "Name:" would remove the header */
    buffer_append_text(&line, header->value.bytes ? TEXT(": ") : TEXT(";"));
    buffer_append_text(&line, header->value);
    return add_line(exchange, buffer_string(&line));
}

static bool set_headers(CURL *easy, struct http_exchange *exchange)
{
    const struct http_request *request = exchange->request;
    bool has_type = false;
    if (!add_line(exchange, "Expect:"))
        return false;
    for (size_t i = 0; i < request->header_count; i++) {
        has_type |= text_equal_nocase(request->headers[i].name, TEXT("Content-Type"));
        if (!add_header(exchange, &request->headers[i]))
            return false;
    }
    if (!has_type && !add_line(exchange, "Content-Type:"))
        return false; /* else curl calls every POST a form */
    return SET(easy, CURLOPT_HTTPHEADER, exchange->sent_headers);
}

static bool set_url(CURL *easy, struct http_exchange *exchange)
{
    AUTO_FREE char *url = xstrdup(exchange->request->url);
    return is_one_line(exchange->request->url) && SET(easy, CURLOPT_URL, url);
}

/* ---- what curl says after -------------------------------------------------------------------- */

static enum error_code code_of(CURLcode curl_code, bool was_sent)
{
    switch (curl_code) {
    case CURLE_OPERATION_TIMEDOUT: /* connecting or stalled; the whole deadline is http.c's */
        return was_sent ? ERR_TIMEOUT : ERR_UNREACHABLE;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return ERR_UNREACHABLE;
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CACERT_BADFILE:
        return ERR_CONFIG;
    case CURLE_UNSUPPORTED_PROTOCOL: /* of the URL, or of an answer without a status line */
        return was_sent ? ERR_PROTOCOL : ERR_CONFIG;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NO_MEMORY;
    default:
        return ERR_PROTOCOL;
    }
}

bool http_easy_prepare(struct http_exchange *exchange, const struct http_options *options)
{
    CURL *easy = exchange->easy;
    exchange->message[0] = '\0';
    exchange->is_public_only = options->is_public_only;
    bool is_ready = set_protocol(easy) && set_transport(easy, options) &&
                    set_callbacks(easy, exchange) && set_method(easy, exchange->request) &&
                    set_headers(easy, exchange) && set_url(easy, exchange);
    if (!is_ready)
        http_exchange_doom(exchange, ERR_CONFIG, "the request could not be put together");
    return is_ready;
}

void http_easy_read(struct http_exchange *exchange)
{
    long status = 0, request_bytes = 0;
    curl_off_t pretransfer_us = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(exchange->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(exchange->easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer_us);
    exchange->request->status = status > 0 ? (unsigned)status : 0;
    /* Sent for sure, or at the point where the next step is sending: both count. */
    exchange->request->was_sent = request_bytes > 0 || pretransfer_us > 0;
}

void http_easy_verdict(struct http_exchange *exchange, int curl_code)
{
    if (curl_code == CURLE_OK)
        return;
    enum error_code code = code_of((CURLcode)curl_code, exchange->request->was_sent);
    bool has_message = exchange->message[0] != '\0';
    http_exchange_doom(exchange, code,
                       has_message ? exchange->message : curl_easy_strerror((CURLcode)curl_code));
}

void http_easy_reset(struct http_exchange *exchange)
{
    curl_easy_reset(exchange->easy); /* keeps its place in the pool of connections */
    curl_slist_free_all(exchange->sent_headers);
    exchange->sent_headers = NULL;
}
