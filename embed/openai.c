#include "embed/openai.h"

#include <string.h>

#include "embed/codec.h"

struct profile {
    enum embed_server_kind server; /* AUTO: any */
    unsigned status;               /* 0: any */
    const char *code, *type, *param, *message;
    enum verdict verdict;
};

static const struct profile PROFILES[] = {
#define EMBED_SERVER_ANY EMBED_SERVER_AUTO
#define X(server, status, code, type, param, message, verdict) \
    {EMBED_SERVER_##server, status, code, type, param, message, VERDICT_##verdict},
#include "embed/profiles.def"
#undef X
};

static bool fits_word(const char *wanted, const char *found)
{
    return wanted[0] == '\0' || strcmp(wanted, found) == 0;
}

static const struct dialect DIALECTS[] = {
#define X(id, header, prefix, inputs, requests, bytes) {header, prefix, inputs, requests, bytes},
#include "embed/servers.def"
#undef X
};

/* A server that is not known may be any: its words are looked for in everybody's rows. */
static bool is_of(const struct profile *profile, enum embed_server_kind server)
{
    return profile->server == EMBED_SERVER_ANY || server == EMBED_SERVER_AUTO ||
           profile->server == server;
}

static bool fits(const struct profile *profile, unsigned status,
                 const struct codec_refusal *refusal)
{
    return (profile->status == 0 || profile->status == status) &&
           fits_word(profile->code, refusal->code) && fits_word(profile->type, refusal->type) &&
           fits_word(profile->param, refusal->param) &&
           (profile->message[0] == '\0' || strcasestr(refusal->message, profile->message));
}

static enum verdict find_verdict(enum embed_server_kind server, unsigned status,
                                 const struct codec_refusal *refusal)
{
    for (size_t i = 0; i < COUNT_OF(PROFILES); i++)
        if (is_of(&PROFILES[i], server) && fits(&PROFILES[i], status, refusal))
            return PROFILES[i].verdict;
    /* 3xx and other 4xx: we talk to something that is no such endpoint */
    return status >= 300 && status < 500 ? VERDICT_CONFIG : VERDICT_RETRY;
}

enum embed_server_kind openai_find_server(enum embed_server_kind configured, struct text base_url)
{
    static const struct {
        struct text host_end;
        enum embed_server_kind server;
    } hosts[] = {
        {{"api.openai.com", 14}, EMBED_SERVER_OPENAI},
        {{".openai.azure.com", 17}, EMBED_SERVER_AZURE},
        {{".cognitiveservices.azure.com", 28}, EMBED_SERVER_AZURE},
        {{".services.ai.azure.com", 22}, EMBED_SERVER_AZURE},
    };
    struct text rest, host = base_url;
    size_t at;
    if (configured != EMBED_SERVER_AUTO)
        return configured;
    if (text_find(host, TEXT("://"), &at))
        host = text_slice(host, at + 3, host.bytes);
    host = text_cut(text_cut(host, '/', &rest), ':', &rest);
    for (size_t i = 0; i < COUNT_OF(hosts); i++)
        if (text_ends_with(host, hosts[i].host_end))
            return hosts[i].server;
    return EMBED_SERVER_AUTO;
}

struct dialect openai_dialect(enum embed_server_kind server)
{
    struct dialect dialect = DIALECTS[server];
    dialect.inputs_max = dialect.inputs_max ? dialect.inputs_max : UINT32_MAX;
    dialect.requests_max = dialect.requests_max ? dialect.requests_max : UINT32_MAX;
    dialect.request_bytes_max = dialect.request_bytes_max ? dialect.request_bytes_max : UINT64_MAX;
    return dialect;
}

enum verdict openai_judge(enum embed_server_kind server, unsigned status, struct text reply,
                          struct error *err)
{
    static const enum error_code CODES[] = {
        [VERDICT_WAIT] = ERR_THROTTLED,         [VERDICT_SLOW] = ERR_THROTTLED,
        [VERDICT_BILLING] = ERR_BILLING,        [VERDICT_RETRY] = ERR_UNAVAILABLE,
        [VERDICT_TOO_MUCH] = ERR_EMBED_REFUSED, [VERDICT_FLOATS] = ERR_EMBED_CONFIG,
        [VERDICT_TOO_MANY] = ERR_EMBED_REFUSED, [VERDICT_CONFIG] = ERR_EMBED_CONFIG,
        [VERDICT_REFUSED] = ERR_EMBED_REFUSED,
    };
    struct codec_refusal refusal;
    codec_read_refusal(reply, &refusal);
    enum verdict verdict = find_verdict(server, status, &refusal);
    bool tells_key = status == 401 || status == 403; /* some servers repeat parts of the key */
    const char *code = refusal.code[0] ? refusal.code : refusal.type;
    error_set(err, CODES[verdict], "%u%s%s%s%s", status, code[0] ? " " : "", code,
              tells_key || !refusal.message[0] ? "" : ": ", tells_key ? "" : refusal.message);
    return verdict;
}
