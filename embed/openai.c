#include "embed/openai.h"

#include <string.h>

#include "embed/codec.h"

struct profile {
    unsigned status; /* 0: any */
    const char *code, *type, *param, *message;
    enum verdict verdict;
};

static const struct profile PROFILES[] = {
#define X(status, code, type, param, message, verdict) \
    {status, code, type, param, message, VERDICT_##verdict},
#include "embed/profiles.def"
#undef X
};

static bool fits_word(const char *wanted, const char *found)
{
    return wanted[0] == '\0' || strcmp(wanted, found) == 0;
}

static bool fits(const struct profile *profile, unsigned status,
                 const struct codec_refusal *refusal)
{
    return (profile->status == 0 || profile->status == status) &&
           fits_word(profile->code, refusal->code) && fits_word(profile->type, refusal->type) &&
           fits_word(profile->param, refusal->param) &&
           (profile->message[0] == '\0' || strcasestr(refusal->message, profile->message));
}

static enum verdict find_verdict(unsigned status, const struct codec_refusal *refusal)
{
    for (size_t i = 0; i < COUNT_OF(PROFILES); i++)
        if (fits(&PROFILES[i], status, refusal))
            return PROFILES[i].verdict;
    /* 3xx and other 4xx: we talk to something that is no such endpoint */
    return status >= 300 && status < 500 ? VERDICT_CONFIG : VERDICT_RETRY;
}

enum verdict openai_judge(unsigned status, struct text reply, struct error *err)
{
    static const enum error_code CODES[] = {
        [VERDICT_WAIT] = ERR_THROTTLED,         [VERDICT_SLOW] = ERR_THROTTLED,
        [VERDICT_BILLING] = ERR_BILLING,        [VERDICT_RETRY] = ERR_UNAVAILABLE,
        [VERDICT_TOO_MUCH] = ERR_EMBED_REFUSED, [VERDICT_FLOATS] = ERR_EMBED_CONFIG,
        [VERDICT_CONFIG] = ERR_EMBED_CONFIG,    [VERDICT_REFUSED] = ERR_EMBED_REFUSED,
    };
    struct codec_refusal refusal;
    codec_read_refusal(reply, &refusal);
    enum verdict verdict = find_verdict(status, &refusal);
    bool tells_key = status == 401 || status == 403; /* some servers repeat parts of the key */
    const char *code = refusal.code[0] ? refusal.code : refusal.type;
    error_set(err, CODES[verdict], "%u%s%s%s%s", status, code[0] ? " " : "", code,
              tells_key || !refusal.message[0] ? "" : ": ", tells_key ? "" : refusal.message);
    return verdict;
}
