/* HPyVM, the runtime half: one structure for each flavour and policy, the same for all interpreters. _data is the runtime's magic
   number, whose last byte says which of them it is. The interpreter is found from the thread, as enter and leave do. */
#define _GNU_SOURCE 1
#include "runtime.h"

#include "autogen_context.h"

#include <dlfcn.h>
#include <unistd.h>

/* Another runtime has another number; so does a runtime half that was built to be another one. */
#ifndef HPYRT_VM_MAGIC
#define HPYRT_VM_MAGIC (HPyLab_MAGIC << 8)
#endif

#define WHICH ((uintptr_t)0xff)
#define VM_DATA(flavour, policy) (HPYRT_VM_MAGIC | (uintptr_t)(flavour) << 1 | (policy))

/* ---- opening and closing ---- */

static inline HPyContext *open_as(uintptr_t data, hpyrt_policy policy)
{
    if (hpyrt_attach_ambient(policy) == NULL)
        return NULL;
    return hpyrt_hand_out(hpyrt_admitted[(data & WHICH) >> 1]);
}

static HPyContext *open_context(HPyVM *vm)
{
    return open_as(vm->_data, HPYRT_ATTACH);
}

static HPyContext *open_context_if_attached(HPyVM *vm)
{
    return open_as(vm->_data, HPYRT_ATTACHED_ONLY);
}

static void close_context(HPyVM *vm, HPyContext *ctx)
{
    (void)vm;
    (void)ctx;
    hpyrt_detach();
}

static HPyContext *open_value(HPyVMValue vm)
{
    return open_as(vm._data, HPYRT_ATTACH);
}

static HPyContext *open_value_if_attached(HPyVMValue vm)
{
    return open_as(vm._data, HPYRT_ATTACHED_ONLY);
}

static void close_value(HPyVMValue vm, HPyContext *ctx)
{
    (void)vm;
    (void)ctx;
    hpyrt_detach();
}

#define FLAVOUR(flavour) \
    {{VM_DATA(flavour, HPYRT_ATTACH), open_context, close_context}, \
     {VM_DATA(flavour, HPYRT_ATTACHED_ONLY), open_context_if_attached, close_context}}

static HPyVM vms[HPYRT_FLAVOURS][2] = {FLAVOUR(HPYRT_UNIVERSAL), FLAVOUR(HPYRT_DEBUG), FLAVOUR(HPYRT_TRACE)};

/* ---- conflicts ---- */

/* Whether [size] bytes at [address] can be read: the kernel says so without a signal. */
static bool readable(const void *address, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0)
        return true;
    bool all = write(ends[1], address, size) == (ssize_t)size;
    close(ends[0]);
    close(ends[1]);
    return all;
}

/* Whether [code] lies in a library of this process: what other runtimes' functions do, and garbage does not. */
static bool is_code(const void *code)
{
    Dl_info library;
    return code != NULL && dladdr(code, &library) != 0;
}

/* Decide about what a storage holds already: [data] and the function that opens. 0: this runtime's; it does not return for
   another runtime's; -1 with ValueError set on [ctx] for what is no VM. */
static int check_conflict(HPyContext *ctx, uintptr_t data, const void *open)
{
    if ((data & ~WHICH) == (HPYRT_VM_MAGIC & ~WHICH) && is_code(open))
        return 0;
    if (is_code(open))
        HPy_FatalError(ctx, "cannot use HPy_GetVM with multiple incompatible Python runtimes within one process");
    HPyErr_SetString(ctx, ctx->h_ValueError, "the storage for the VM holds neither NULL nor a VM: initialise it");
    return -1;
}

/* ---- making ---- */

/* The flavour of [ctx], registered as one that is handed out. -1 with an exception set on [ctx]. */
static int admit(HPyContext *ctx)
{
    return hpyrt_admit(ctx) == NULL ? -1 : (int)hpyrt_flavour_of(ctx);
}

static int get_vm(HPyContext *ctx, HPyVM **storage, hpyrt_policy policy)
{
    HPyVM *kept = *storage;
    if (kept != NULL && ((uintptr_t)kept % _Alignof(HPyVM) != 0 || !readable(kept, sizeof *kept)))
        return check_conflict(ctx, 0, NULL);
    if (kept != NULL && check_conflict(ctx, kept->_data, (const void *)kept->open_context) < 0)
        return -1;
    int flavour = admit(ctx);
    if (flavour < 0)
        return -1;
    *storage = &vms[flavour][policy];
    return 0;
}

int ctx_GetVM(HPyContext *ctx, HPyVM **storage)
{
    return get_vm(ctx, storage, HPYRT_ATTACH);
}

int ctx_GetAttachedVM(HPyContext *ctx, HPyVM **storage)
{
    return get_vm(ctx, storage, HPYRT_ATTACHED_ONLY);
}

static int get_value(HPyContext *ctx, HPyVMValue *storage, hpyrt_policy policy)
{
    bool unset = storage->_data == 0 && storage->open_context == NULL && storage->close_context == NULL;
    if (!unset && check_conflict(ctx, storage->_data, (const void *)storage->open_context) < 0)
        return -1;
    int flavour = admit(ctx);
    if (flavour < 0)
        return -1;
    *storage = (HPyVMValue){VM_DATA(flavour, policy), policy == HPYRT_ATTACH ? open_value : open_value_if_attached, close_value};
    return 0;
}

int ctx_GetVMValue(HPyContext *ctx, HPyVMValue *storage)
{
    return get_value(ctx, storage, HPYRT_ATTACH);
}

int ctx_GetAttachedVMValue(HPyContext *ctx, HPyVMValue *storage)
{
    return get_value(ctx, storage, HPYRT_ATTACHED_ONLY);
}
