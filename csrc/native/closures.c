#include "native.h"

#define EXPORTED __attribute__((visibility("default")))

static void answer(void *cif, void *result, void **arguments, void *data)
{
    (void)cif;
    (void)data;
    *(int64_t *)result = *(const int64_t *)arguments[0] + 1;
}

/* 0, or -1 with nothing allocated. */
static int make(const native_closure_api *api, native_closure *one)
{
    void *code;
    one->closure = api->allocate(api->size, &code);
    if (one->closure == 0)
        return -1;
    if (api->prepare(one->closure, api->cif, answer, 0, code) != 0) {
        api->release(one->closure);
        return -1;
    }
    one->code = (int64_t (*)(int64_t))code;
    return 0;
}

EXPORTED int64_t native_make_closures(const native_closure_api *api, native_closure *made, int64_t count)
{
    int64_t begin = native_now();
    for (int64_t i = 0; i < count; i++)
        if (make(api, &made[i]) < 0) {
            while (i-- > 0)
                api->release(made[i].closure);
            return -1;
        }
    return native_now() - begin;
}

EXPORTED int64_t native_release_closures(const native_closure_api *api, native_closure *made, const int64_t *order, int64_t count)
{
    int64_t begin = native_now();
    for (int64_t i = 0; i < count; i++)
        api->release(made[order[i]].closure);
    return native_now() - begin;
}
