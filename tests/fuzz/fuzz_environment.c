#include <assert.h>
#include <string.h>

#include "worker/environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* No name is empty, no value leaves its line, and the same text again changes nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text content = {(const char *)data, bytes};
    struct environment environment = {0};
    struct error err;
    bool is_read = environment_add_text(&environment, content, &err);
    bool has_nul = bytes && memchr(data, 0, bytes); /* it ends a name or value early */
    if (!is_read || has_nul) {
        environment_release(&environment);
        return 0;
    }
    size_t count = environment.count;
    for (size_t i = 0; i < count; i++) {
        assert(environment.variables[i].name[0] && !strchr(environment.variables[i].name, '='));
        assert(!strchr(environment.variables[i].value, '\n'));
    }
    assert(environment_add_text(&environment, content, &err) && environment.count == count);
    environment_release(&environment);
    return 0;
}
