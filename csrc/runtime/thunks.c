#define _GNU_SOURCE 1
#include "thunks.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
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

typedef struct page page;

/* Thunks and their slots, mapped side by side and never unmapped. */
struct page {
    page *next;
    char *thunks;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static page *pages;
/* A ring of the slots that are in nobody's use, with room for all there are; guarded by the mutex. First in, first out, so that
   a call after free finds its slot unused for as long as can be. */
static hpyrt_slot **unused;
static size_t room, first, count;

static void called_after_free(void)
{
    fputs("HPyContextTrampoline: called after it was freed\n", stderr);
    abort();
}

/* The mutex is held. */
static void append_unused(hpyrt_slot *slot)
{
    unused[(first + count++) % room] = slot;
}

/* Make room for another page's slots. Whether that could be done. The ring is empty and the mutex is held. */
static bool make_room(void)
{
    hpyrt_slot **larger = malloc((room + SLOTS) * sizeof(*larger));
    if (larger == NULL)
        return false;
    free(unused);
    unused = larger;
    room += SLOTS;
    first = 0;
    return true;
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

/* Another page of thunks with its page of slots. NULL, or why there is none. The ring is empty and the mutex is held. */
static const char *grow(void)
{
    page *made = malloc(sizeof *made);
    char *place = made == NULL ? MAP_FAILED
        : mmap(NULL, 2 * HPYRT_THUNK_DISTANCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED) {
        free(made);
        return "no memory for another page of trampolines";
    }
    const char *why = map_template(place);
    if (why == NULL && (mprotect(place + HPYRT_THUNK_DISTANCE, HPYRT_THUNK_DISTANCE, PROT_READ | PROT_WRITE) != 0 || !make_room()))
        why = "no memory for another page of trampolines";
    if (why != NULL) {
        munmap(place, 2 * HPYRT_THUNK_DISTANCE);
        free(made);
        return why;
    }
    *made = (page){pages, place};
    pages = made;
    hpyrt_slot *slots = (hpyrt_slot *)(void *)(place + HPYRT_THUNK_DISTANCE);
    for (int i = 0; i < SLOTS; i++) {
        slots[i].code = called_after_free;
        append_unused(&slots[i]);
    }
    return NULL;
}

hpyrt_slot *hpyrt_new_thunk(void (*code)(void), const char **why)
{
    hpyrt_slot *slot = NULL;
    pthread_mutex_lock(&mutex);
    *why = count == 0 ? grow() : NULL;
    if (*why == NULL) {
        slot = unused[first];
        first = (first + 1) % room;
        count--;
        slot->code = code;
    }
    pthread_mutex_unlock(&mutex);
    return slot;
}

int hpyrt_close_thunk(hpyrt_slot *slot)
{
    pthread_mutex_lock(&mutex);
    bool open = slot->code != called_after_free;
    slot->code = called_after_free;
    pthread_mutex_unlock(&mutex);
    return open ? 0 : -1;
}

void hpyrt_recycle_thunk(hpyrt_slot *slot)
{
    pthread_mutex_lock(&mutex);
    append_unused(slot);
    pthread_mutex_unlock(&mutex);
}

hpyrt_slot *hpyrt_slot_of(void *thunk)
{
    char *address = thunk;
    hpyrt_slot *slot = NULL;
    pthread_mutex_lock(&mutex);
    for (page *each = pages; each != NULL && slot == NULL; each = each->next)
        if (address >= each->thunks && address < each->thunks + HPYRT_THUNK_DISTANCE && (address - each->thunks) % 16 == 0)
            slot = (hpyrt_slot *)(void *)(address + HPYRT_THUNK_DISTANCE);
    pthread_mutex_unlock(&mutex);
    return slot;
}
