#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http_bench.h"

/* A server with a certificate for one name, signed by itself. */
static struct {
    SSL_CTX *context;
    int fd;
    uint16_t port;
    pthread_t thread;
    char ca_path[64];
} tls;

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"bench", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate, key, EVP_sha256());
    return certificate;
}

static void make_context(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);
    tls.context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(tls.context, certificate);
    SSL_CTX_use_PrivateKey(tls.context, key);
    strcpy(tls.ca_path, "/tmp/millrace-test-ca-XXXXXX");
    FILE *file = fdopen(mkstemp(tls.ca_path), "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void *serve(void *arg)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
    (void)arg;
    for (int fd; (fd = accept(tls.fd, NULL, NULL)) >= 0; close(fd)) {
        char request[4096];
        SSL *ssl = SSL_new(tls.context);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0)
            SSL_write(ssl, reply, sizeof(reply) - 1);
        SSL_shutdown(ssl);
        SSL_free(ssl);
        ERR_clear_error();
    }
    return NULL;
}

static int setup(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    make_context();
    tls.fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(tls.fd, (struct sockaddr *)&address, bytes) != 0 || listen(tls.fd, 8) != 0 ||
        getsockname(tls.fd, (struct sockaddr *)&address, &bytes) != 0)
        return 1;
    tls.port = ntohs(address.sin_port);
    pthread_create(&tls.thread, NULL, serve, NULL);
    return bench_setup(state);
}

static int teardown(void **state)
{
    int status = bench_teardown(state);
    shutdown(tls.fd, SHUT_RDWR);
    pthread_join(tls.thread, NULL);
    close(tls.fd);
    SSL_CTX_free(tls.context);
    unlink(tls.ca_path);
    return status;
}

static struct call *call_https(const char *host)
{
    struct call *call = call_of(0, "");
    assert_true(text_format(call->url, sizeof(call->url), "https://%s:%u/", host, tls.port));
    call->request.url = text_from(call->url);
    return call;
}

static void test_http__believes_a_certificate_of_the_given_authority(void **state)
{
    (void)state;
    struct http_options options = {
        .connections_max = 1, .ca_file = text_from(tls.ca_path), .lane = LANE_OTHER};
    struct error err;
    bench.http = http_open(bench.loop, &options, &err);
    assert_non_null(bench.http);
    assert_string_equal(reply_of(run(call_https("127.0.0.1"))), "secret");
    struct call *call = run(call_https("localhost")); /* the certificate is for another name */
    assert_int_equal(call->err.code, ERR_UNREACHABLE);
    assert_false(call->request.was_sent);
}

static void test_http__believes_no_stranger_and_sends_it_nothing(void **state)
{
    (void)state;
    open_client(1, 0);
    struct call *call = run(call_https("127.0.0.1"));
    assert_int_equal(call->err.code, ERR_UNREACHABLE);
    assert_false(call->request.was_sent);
    assert_contains(call->err.message, "certificate");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http__believes_a_certificate_of_the_given_authority,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_http__believes_no_stranger_and_sends_it_nothing, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
