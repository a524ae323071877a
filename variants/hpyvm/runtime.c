/* HPyVM, the runtime half: one structure for each flavour and policy, the same for all interpreters. _data is the runtime's magic
   number, whose last byte says which of them it is. The interpreter is found from the thread, as enter and leave do. */
#define _GNU_SOURCE 1
#include "runtime.h"

#include "autogen_context.h"

#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
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

/* Whether [vm], aligned, can be read: the kernel says so without a signal. Where it may not be asked, whether it is mapped. */
static bool readable(const HPyVM *vm)
{
    HPyVM copy;
    struct iovec to = {&copy, sizeof copy}, from = {(void *)(uintptr_t)vm, sizeof copy};
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)sizeof copy)
        return true;
    if (errno != EPERM && errno != ENOSYS)
        return false;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)vm & ~(page - 1);
    unsigned char resident[2];
    return mincore((void *)first, (uintptr_t)(vm + 1) - first, resident) == 0;
}

/* Whether the address at [wanted] lies in the code of a library, or of the program. */
static int lies_in(struct dl_phdr_info *library, size_t size, void *wanted)
{
    (void)size;
    for (int i = 0; i < library->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
        uintptr_t begin = library->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) && *(uintptr_t *)wanted - begin < segment->p_memsz)
            return 1;
    }
    return 0;
}

/* Whether [address] may be executed, by what the kernel says of the process: also what lies in no library, such as code that was
   compiled at run time. False where it does not say. */
static bool is_executable(uintptr_t address)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], mode[5];
    uintptr_t begin, end;
    bool found = false;
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL)
        found = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, mode) == 3 && address >= begin && address < end
                && mode[2] == 'x';
    if (maps != NULL)
        fclose(maps);
    return found;
}

static bool is_code(uintptr_t address)
{
    return dl_iterate_phdr(lies_in, &address) != 0 || is_executable(address);
}

/* Whether both functions are code of this process: what another runtime's are, and garbage is not. */
static bool are_functions(uintptr_t open, uintptr_t close)
{
    return is_code(open) && is_code(close);
}

/* Decide about what a storage holds already: [data] and the two functions. 0: this runtime's; it does not return for another
   runtime's; -1 with ValueError set on [ctx] for what is no VM. */
static int check_conflict(HPyContext *ctx, uintptr_t data, uintptr_t open, uintptr_t close)
{
    bool is_vm = are_functions(open, close);
    if (is_vm && (data & ~WHICH) == (HPYRT_VM_MAGIC & ~WHICH))
        return 0;
    if (is_vm)
        HPy_FatalError(ctx, "cannot use HPy_GetVM with multiple incompatible Python runtimes within one process");
    HPyErr_SetString(ctx, ctx->h_ValueError, "the storage for the VM holds neither NULL nor a VM: initialise it");
    return -1;
}

/* ---- making ---- */

/* The flavour of [ctx], registered as one that is handed out. -1 with an exception set on [ctx]. */
static int admit(HPyContext *ctx)
{
    hpyrt_view *view = hpyrt_current_view();
    HPyContext *admitted = hpyrt_admit(ctx);
    if (admitted == NULL)
        return -1;
    if (view != NULL && hpyrt_context(view) == NULL)
        hpyrt_set_context(view, admitted);      /* nobody else has registered one */
    return (int)hpyrt_flavour_of(admitted);
}

/* -1, with ValueError, where [storage] is NULL. */
static int check_storage(HPyContext *ctx, const void *storage)
{
    if (storage != NULL)
        return 0;
    HPyErr_SetString(ctx, ctx->h_ValueError, "there is no storage for the VM: NULL was given");
    return -1;
}

static int get_vm(HPyContext *ctx, HPyVM **storage, hpyrt_policy policy)
{
    if (check_storage(ctx, storage) < 0)
        return -1;
    HPyVM *kept = *storage;
    if (kept != NULL && ((uintptr_t)kept % _Alignof(HPyVM) != 0 || !readable(kept)))
        return check_conflict(ctx, 0, 0, 0);
    if (kept != NULL && check_conflict(ctx, kept->_data, (uintptr_t)kept->open_context, (uintptr_t)kept->close_context) < 0)
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
    if (check_storage(ctx, storage) < 0)
        return -1;
    bool unset = storage->_data == 0 && storage->open_context == NULL && storage->close_context == NULL;
    if (!unset && check_conflict(ctx, storage->_data, (uintptr_t)storage->open_context, (uintptr_t)storage->close_context) < 0)
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
