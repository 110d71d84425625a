#include <assert.h>
#include <string.h>

#include "worker/model/tenant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Whatever is accepted lies below the prefix of exactly the tenant it was given to. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct text key = {(const char *)data, bytes};
    struct tenant tenant;
    struct error err;
    if (!tenant_from_key(key, &tenant, &err))
        return 0;
    size_t at;
    assert(text_starts_with(key, text_from(tenant.prefix)));
    assert(bytes > strlen(tenant.prefix) && bytes <= TENANT_KEY_BYTES_MAX);
    assert(!text_find(key, TEXT("/../"), &at) && !text_ends_with(key, TEXT("/..")));
    assert(tenant_owns_key(&tenant, key));
    return 0;
}
