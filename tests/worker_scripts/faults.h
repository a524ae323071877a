/* Fault injection: compiled in front of each source of the runtime half, so that the allocation that is asked for fails. */
#if !defined FAULTS_H && !defined __ASSEMBLER__
#define FAULTS_H

#define PY_SSIZE_T_CLEAN
#define Py_BUILD_CORE 1         /* as internals.c has it; Python.h is read once */
#include <Python.h>
#undef Py_BUILD_CORE
#include <hpy.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Whether the next one fails; counts them. In faults.c, one copy for the library. */
__attribute__((visibility("hidden"))) int faults_next(void);
__attribute__((visibility("hidden"))) void *faults_made(void *memory);
__attribute__((visibility("hidden"))) void *faults_moved(int is_new, void *memory);
__attribute__((visibility("hidden"))) void faults_freed(void *memory);

#define malloc(size) (faults_next() ? NULL : faults_made(malloc(size)))
#define calloc(count, size) (faults_next() ? NULL : faults_made(calloc(count, size)))
#define realloc(memory, size) faults_realloc(memory, size)
#define free(memory) faults_free(memory)
#define mmap(...) (faults_next() ? MAP_FAILED : mmap(__VA_ARGS__))
#define mprotect(...) (faults_next() ? -1 : mprotect(__VA_ARGS__))
#define HPy_FromPyObject(ctx, object) faults_handle(ctx, object)
#define pthread_setspecific(key, value) faults_setspecific(key, value)
#define pthread_mutex_init(...) (faults_next() ? ENOMEM : pthread_mutex_init(__VA_ARGS__))
#ifndef PYPY_VERSION
#define PyThreadState_New(interpreter) (faults_next() ? NULL : PyThreadState_New(interpreter))
#endif

/* The C library makes room for a key's value once in each thread; to set it again needs no memory. */
static inline int faults_setspecific(pthread_key_t key, const void *value)
{
    static __thread int has_room;
    if (!has_room && faults_next())
        return ENOMEM;
    has_room = 1;
    return (pthread_setspecific)(key, value);
}

/* Of HPy's contexts those of the debug mode alone allocate for a handle. */
static inline HPy faults_handle(HPyContext *ctx, PyObject *object)
{
    if (strstr(ctx->name, "Debug Mode") == NULL || !faults_next())
        return (HPy_FromPyObject)(ctx, object);
    PyErr_NoMemory();
    return HPy_NULL;
}

static inline void *faults_realloc(void *memory, size_t size)
{
    int is_new = memory == NULL;
    return faults_next() ? NULL : faults_moved(is_new, (realloc)(memory, size));
}

static inline void faults_free(void *memory)
{
    faults_freed(memory);
    (free)(memory);
}

#endif
