#include "worker/operator.h"

#include <unistd.h>

#define HOST_BYTES 100

const char *operator_name(const struct environment *environment, char buffer[OPERATOR_BYTES])
{
    char host[HOST_BYTES] = "unknown", number[32];
    const char *user = environment_get(environment, "USER");
    if (!user || !user[0])
        user = environment_get(environment, "LOGNAME");
    if (!user || !user[0]) {
        (void)text_format(number, sizeof(number), "uid %u", (unsigned)getuid());
        user = number;
    }
    if (gethostname(host, sizeof(host) - 1) != 0)
        (void)text_format(host, sizeof(host), "unknown");
    struct text name = text_utf8_prefix(text_from(user), OPERATOR_BYTES - HOST_BYTES - 2);
    bool is_utf8 = text_is_utf8(name);
    (void)text_format(buffer, OPERATOR_BYTES, "%.*s@%s", TEXT_ARGS(is_utf8 ? name : TEXT("?")),
                      host);
    return buffer;
}
