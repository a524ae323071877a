/* Reports of the debug mode: what happened, where, and what to do about it. See debug.h. */
#define _GNU_SOURCE 1
#include "debug.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *what, *remedy;
} words[] = {
#define HPYRT_MISUSE(name, what, remedy) {what, remedy},
    HPYRT_MISUSES(HPYRT_MISUSE)
#undef HPYRT_MISUSE
};

/* The user's; guarded by the mutex. */
static HPyLab_OnMisuse the_hook;
static void *hook_data;

void hpyrt_set_hook(HPyLab_OnMisuse hook, void *data)
{
    pthread_mutex_lock(&hpyrt_debug_mutex);
    the_hook = hook;
    hook_data = data;
    pthread_mutex_unlock(&hpyrt_debug_mutex);
}

__attribute__((noinline)) void hpyrt_note_site(hpyrt_site *site, const char *function)
{
    void *stack[HPYRT_STACK_DEPTH + 4];
    int depth = backtrace(stack, HPYRT_STACK_DEPTH + 4);
    int own = depth < 2 ? depth : 2;        /* this function and the one that called it */
    site->function = function;
    site->thread = (pid_t)syscall(SYS_gettid);
    site->depth = depth - own < HPYRT_STACK_DEPTH ? depth - own : HPYRT_STACK_DEPTH;
    memcpy(site->stack, stack + own, (size_t)site->depth * sizeof(void *));
}

/* ---- text */

/* One frame: library, offset and, where the library says it, the function. The address is the one that the call returns to;
   one byte before it lies in the call. Whether it was worth a line: the runtime half's own frames are not. */
static bool print_frame(FILE *out, const char *address)
{
    Dl_info place, own;
    const ElfW(Sym) *symbol = NULL;
    address--;
    if (!dladdr1(address, &place, (void **)&symbol, RTLD_DL_SYMENT) || place.dli_fname == NULL) {
        fprintf(out, "    %p\n", (const void *)address);
        return true;
    }
    if (dladdr(words, &own) && own.dli_fbase == place.dli_fbase)
        return false;
    fprintf(out, "    %s+0x%tx", place.dli_fname, address - (const char *)place.dli_fbase);
    if (symbol != NULL && place.dli_sname != NULL && address < (const char *)place.dli_saddr + symbol->st_size)
        fprintf(out, " (%s+0x%tx)", place.dli_sname, address - (const char *)place.dli_saddr);
    fputc('\n', out);
    return true;
}

/* The site of the wrong call itself for a [verb] of NULL. */
static void print_site(FILE *out, const char *verb, const hpyrt_site *site)
{
    if (site == NULL || site->function == NULL)
        return;
    if (verb == NULL)
        fprintf(out, "  this call, on thread %d:\n", (int)site->thread);
    else
        fprintf(out, "  %s by %s, on thread %d:\n", verb, site->function, (int)site->thread);
    bool inside = true;                     /* still in the runtime half, where every stack begins */
    for (int i = 0; i < site->depth; i++)
        if (print_frame(out, site->stack[i]))
            inside = false;
    if (inside)
        fputs("    (no frame is known)\n", out);
}

char *hpyrt_site_text(const char *verb, const hpyrt_site *site)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    print_site(out, verb, site);
    fclose(out);
    return text;
}

static void print_story(FILE *out, hpyrt_misuse misuse, const hpyrt_story *story)
{
    bool has_call = story->here != NULL && story->here->function != NULL;
    bool is_made = story->verb != NULL && strcmp(story->verb, "made") == 0;
    fprintf(out, "HPy Context Lab: %s%s%s%s%s\n", has_call ? story->here->function : "", has_call ? ": " : "",
            words[misuse].what, story->detail != NULL ? ": " : "", story->detail != NULL ? story->detail : "");
    print_site(out, NULL, story->here);
    print_site(out, story->verb != NULL ? story->verb : "acquired", story->opened);
    print_site(out, is_made ? "freed" : "released", story->closed);
    fprintf(out, "  What to do: %s.\n", words[misuse].remedy);
    fputs("  (Lines of source: addr2line -f -e LIBRARY OFFSET)\n", out);
}

/* ---- telling */

char *hpyrt_print(hpyrt_misuse misuse, const hpyrt_story *story)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        hpyrt_debug_out_of_memory();
    print_story(out, misuse, story);
    fclose(out);
    if (text == NULL)
        hpyrt_debug_out_of_memory();
    fputs(text, stderr);
    fflush(stderr);
    return text;
}

bool hpyrt_tell(hpyrt_misuse misuse, const hpyrt_story *story)
{
    pthread_mutex_lock(&hpyrt_debug_mutex);
    HPyLab_OnMisuse hook = the_hook;
    void *data = hook_data;
    pthread_mutex_unlock(&hpyrt_debug_mutex);

    char *text = hpyrt_print(misuse, story);
    if (hook != NULL)
        hook(data, text);
    free(text);
    return hook != NULL;
}

void hpyrt_report(hpyrt_misuse misuse, const hpyrt_story *story)
{
    if (!hpyrt_tell(misuse, story))
        abort();
}

void hpyrt_debug_out_of_memory(void)
{
    fputs("HPy Context Lab: no memory for the debug mode\n", stderr);
    abort();
}
