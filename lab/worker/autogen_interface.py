"""What the worker knows of the generated header. DO NOT EDIT.

Made by lab/autogen.py with lab/templates/autogen_interface.py.j2
from csrc/interface.h, csrc/native/native.h and the descriptions of the arms; made again by the command

    lab generate
"""

# The interface's types and the functions of the native library, for cffi. A context is opaque here.
CDEF = r"""
typedef struct _HPyContext_s HPyContext;
typedef struct _HPy_s { intptr_t _i; } HPy;
typedef enum {
    HPyLab_ATTACH = 0,
    HPyLab_ATTACHED_ONLY = 1,
} HPyLab_Policy;
typedef int64_t (*HPyLab_Body)(HPyContext *ctx, HPy captured, void *data, int64_t arg);
typedef struct {
    HPyLab_Body body;
    void *data;
    HPyLab_Policy policy;
    HPy captured;
} HPyLab_Binding;
typedef struct {
    int (*call)(void *closure, int64_t arg, int64_t *result);
    void *closure;
} HPyLab_Callback;
typedef int64_t (*HPyLab_Bare)(int64_t arg);
typedef enum {
    NATIVE_THROUGHPUT = 0,
    NATIVE_DEPENDENT = 1,
    NATIVE_SERIALISED = 2,
} native_mode;
typedef struct {
    int64_t voluntary_switches;
    int64_t involuntary_switches;
    int64_t page_faults;
    int64_t migrations;
} native_disturbance;
enum { NATIVE_BUCKETS = 1056 };
typedef struct {
    int64_t count;
    int64_t sum_ns;
    int64_t smallest_ns;
    int64_t largest_ns;
    int64_t counts[NATIVE_BUCKETS];
} native_histogram;
typedef struct {
    int64_t arrivals;
    int64_t gap_ns;
    uint64_t seed;
    int64_t phase;
    native_histogram wait;
    native_histogram service;
} native_latencies;
typedef struct native_run {
    int (*call)(void *closure, int64_t arg, int64_t *result);
    void *closure;
    int64_t (*bare)(int64_t arg);
    int64_t loops;
    int64_t arg;
    int64_t size;
    native_mode mode;
    native_latencies *latencies;
    int64_t elapsed_ns;
    int64_t calls;
    int64_t checksum;
    int64_t refused;
    int64_t raised;
    native_disturbance disturbance;
} native_run;
typedef int (*native_driver)(native_run *run);
int hpylab_drive(native_run *run);
int64_t native_now(void);
typedef struct {
    native_disturbance counters;
    int64_t cpu;
} native_witness;
void native_watch(native_witness *begin);
void native_disturbed(const native_witness *begin, native_run *run);
int native_on_new_thread(native_driver driver, native_run *run);
int native_call_loop(native_run *run);
int64_t native_bucket(int64_t value_ns);
int64_t native_bucket_start(int64_t bucket);
void native_histogram_clear(native_histogram *histogram);
int native_histogram_add(native_histogram *histogram, int64_t value_ns);
void native_histogram_merge(native_histogram *into, const native_histogram *from);
typedef struct {
    void *(*allocate)(unsigned long size, void **code);
    int (*prepare)(void *closure, void *cif, void (*function)(void *cif, void *result, void **arguments, void *data), void *data,
                   void *code);
    void (*release)(void *closure);
    void *cif;
    unsigned long size;
} native_closure_api;
typedef struct {
    void *closure;
    int64_t (*code)(int64_t arg);
} native_closure;
int64_t native_make_closures(const native_closure_api *api, native_closure *made, int64_t count);
int64_t native_release_closures(const native_closure_api *api, native_closure *made, const int64_t *order, int64_t count);
"""

# What runtime half and extension half were built from: HPyLab_SPEC.
SPEC = 0xf2f75084948fe7c8

# The answers of a bare callback that are no result: HPyLab_RAISED, HPyLab_REFUSED.
RAISED = -9223372036854775808
REFUSED = -9223372036854775807

# What each arm can do.
ARMS = {
    "enter_leave/get": ["attached", "bare", "body"],
    "enter_leave/ambient": ["attached", "bare", "body", "foreign", "released"],
    "enter_leave/token": ["attached", "bare", "body", "foreign", "released"],
    "hpyvm/pointer": ["attached", "bare", "body", "foreign", "released"],
    "hpyvm/value": ["attached", "bare", "body", "foreign", "released"],
    "trampoline/plain": ["attached", "bare", "body", "foreign", "released"],
    "trampoline/handle": ["attached", "bare", "body", "foreign", "released"],
    "trampoline/checked": ["attached", "bare", "body", "foreign", "released"],
    "control/cached_ctx": ["attached", "bare", "body"],
    "control/copied_ctx": ["attached", "body"],
    "control/dispatching_ctx": ["attached", "bare", "body"],
    "control/empty": ["attached", "foreign", "released"],
    "control/hpy_cpython_abi": ["attached", "bare", "body"],
    "control/hpy_universal_global": ["attached", "bare", "body"],
    "control/pass_ctx": ["attached", "body"],
    "peer/pygilstate": ["attached", "bare", "body", "foreign", "released"],
    "peer/save_restore": ["body", "foreign", "released"],
}
