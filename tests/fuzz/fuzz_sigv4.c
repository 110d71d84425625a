#include "worker/base/sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* First byte: the path's rule; then lines: path, query, and a header each. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text rest = {(const char *)data, bytes};
    struct http_header headers[SIGV4_HEADERS_MAX + 4];
    struct sigv4_request request = {.method = TEXT("GET"),
                                    .headers = headers,
                                    .payload_hash = SIGV4_UNSIGNED_PAYLOAD,
                                    .region = TEXT("eu-central-1"),
                                    .service = TEXT("s3"),
                                    .wall_ms = bytes * 86400000u,
                                    .path_rule = bytes ? (enum sigv4_path)(data[0] % 3) : 0};
    rest = text_slice(rest, 1, rest.bytes);
    request.path = text_cut(rest, '\n', &rest);
    request.query = text_cut(rest, '\n', &rest);
    while (rest.bytes && request.header_count < COUNT_OF(headers)) {
        struct text line = text_cut(rest, '\n', &rest);
        headers[request.header_count].name = text_cut(line, ':', &line);
        headers[request.header_count++].value = line;
    }
    struct aws_key key = {TEXT("id"), TEXT("secret"), TEXT_NONE};
    AUTO_BUFFER struct buffer out = buffer_new(8192);
    bool is_signed = sigv4_authorization(&request, &key, &out);
    return is_signed && out.is_full; /* never both */
}
