#define _GNU_SOURCE
#include "thunks.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS (HPYRT_THUNK_DISTANCE / 16)

_Static_assert(sizeof(hpyrt_slot) == 16, "a slot must be as large as a thunk");

extern char hpyrt_thunk_template[];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* Slots without a thunk in use, linked through data; guarded by mutex; never unmapped. First in, first out, so that a call
   after free finds its slot unused for as long as can be. */
static hpyrt_slot *first_free, *last_free;

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "HPyContextTrampoline: %s\n", why);
    abort();
}

static void called_after_free(void)
{
    stop("called after it was freed");
}

/* The mutex is held. */
static void append_free(hpyrt_slot *slot)
{
    slot->code = called_after_free;
    slot->data = NULL;
    if (last_free != NULL)
        last_free->data = slot;
    else
        first_free = slot;
    last_free = slot;
}

/* Where in its file the segment of the template lies. */
static int find_offset(struct dl_phdr_info *info, size_t size, void *result)
{
    (void)size;
    uintptr_t wanted = (uintptr_t)hpyrt_thunk_template;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && wanted >= begin && wanted < begin + header->p_filesz) {
            *(off_t *)result = (off_t)(header->p_offset + (wanted - begin));
            return 1;
        }
    }
    return 0;
}

/* Map the template's page of this library's file at [place]. NULL, or why it could not be done. */
static const char *map_template(char *place)
{
    Dl_info library;
    off_t offset = -1;
    if (!dladdr(hpyrt_thunk_template, &library) || !dl_iterate_phdr(find_offset, &offset) || offset < 0)
        return "the runtime's own library could not be found in memory";
    int file = open(library.dli_fname, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return "the runtime's own library could not be opened again";
    struct stat status;
    const char *why = NULL;
    if (fstat(file, &status) != 0 || status.st_size < offset + HPYRT_THUNK_DISTANCE)    /* reading past its end is a SIGBUS */
        why = "the runtime's own library was replaced while it is in use";
    else if (mmap(place, HPYRT_THUNK_DISTANCE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, file, offset) == MAP_FAILED)
        why = "no memory for another page of trampolines";
    else if (memcmp(place, hpyrt_thunk_template, HPYRT_THUNK_DISTANCE) != 0)
        why = "the runtime's own library was replaced while it is in use";
    close(file);
    return why;
}

/* Another page of thunks with its page of slots. NULL, or why there is none. The mutex is held. */
static const char *grow(void)
{
    char *pages = mmap(NULL, 2 * HPYRT_THUNK_DISTANCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        return "no memory for another page of trampolines";
    const char *why = map_template(pages);
    if (why == NULL && mprotect(pages + HPYRT_THUNK_DISTANCE, HPYRT_THUNK_DISTANCE, PROT_READ | PROT_WRITE) != 0)
        why = "no memory for another page of trampolines";
    if (why != NULL) {
        munmap(pages, 2 * HPYRT_THUNK_DISTANCE);
        return why;
    }
    hpyrt_slot *slots = (hpyrt_slot *)(void *)(pages + HPYRT_THUNK_DISTANCE);
    for (int i = 0; i < SLOTS; i++)
        append_free(&slots[i]);
    return NULL;
}

void *hpyrt_new_thunk(void (*code)(void), void *data, const char **why)
{
    hpyrt_slot *slot = NULL;
    pthread_mutex_lock(&mutex);
    *why = first_free == NULL ? grow() : NULL;
    if (*why == NULL) {
        slot = first_free;
        first_free = slot->data;
        if (first_free == NULL)
            last_free = NULL;
        slot->data = data;
        slot->code = code;
    }
    pthread_mutex_unlock(&mutex);
    return slot == NULL ? NULL : (char *)slot - HPYRT_THUNK_DISTANCE;
}

void *hpyrt_free_thunk(void *thunk)
{
    hpyrt_slot *slot = (hpyrt_slot *)(void *)((char *)thunk + HPYRT_THUNK_DISTANCE);
    pthread_mutex_lock(&mutex);
    if (slot->code == called_after_free)
        stop("freed twice");
    void *data = slot->data;
    append_free(slot);
    pthread_mutex_unlock(&mutex);
    return data;
}
