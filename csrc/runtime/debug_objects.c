/* What proposals make, in the debug mode: tokens, trampolines and VMs, from their making to their freeing. See debug.h. */
#include "debug.h"

#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 4096
#define REMEMBERED 1024         /* freed objects, before the oldest is forgotten */

/* Guarded by the mutex. */
static hpyrt_object *buckets[BUCKETS];
static hpyrt_object *first_freed, *last_freed;
static size_t freed;

/* ---- the table; the mutex is held */

static hpyrt_object **bucket_of(const void *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);      /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return &buckets[hash % BUCKETS];
}

static hpyrt_object *find(const void *bytes, size_t size)
{
    for (hpyrt_object *object = *bucket_of(bytes, size); object != NULL; object = object->next)
        if (object->size == size && memcmp(object->bytes, bytes, size) == 0)
            return object;
    return NULL;
}

static void insert(hpyrt_object *object)
{
    hpyrt_object **bucket = bucket_of(object->bytes, object->size);
    object->next = *bucket;
    *bucket = object;
}

static void take_out(hpyrt_object *object)
{
    hpyrt_object **place = bucket_of(object->bytes, object->size);
    while (*place != object)
        place = &(*place)->next;
    *place = object->next;
}

/* The thunk of an object that is forgotten may go to another. */
static void forget(hpyrt_object *object)
{
    hpyrt_slot *slot = object->slot;
    take_out(object);
    free(object);
    if (slot != NULL) {
        hpyrt_close_thunk(slot);
        hpyrt_recycle_thunk(slot);
    }
}

static void remember_freed(hpyrt_object *object)
{
    object->open = false;
    object->later = NULL;
    *(freed++ > 0 ? &last_freed->later : &first_freed) = object;
    last_freed = object;
    if (freed > REMEMBERED) {
        hpyrt_object *oldest = first_freed;
        first_freed = oldest->later;
        freed--;
        forget(oldest);
    }
}

/* [object], whose bytes belong to a new one now, is no longer among the freed ones. */
static void overtake(hpyrt_object *object)
{
    hpyrt_object *previous = NULL;
    for (hpyrt_object **place = &first_freed; *place != NULL; previous = *place, place = &(*place)->later)
        if (*place == object) {
            *place = object->later;
            if (last_freed == object)
                last_freed = previous;
            freed--;
            break;
        }
    take_out(object);
    free(object);
}

void hpyrt_each_open_object(void (*visit)(const hpyrt_object *object, void *data), void *data)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (const hpyrt_object *object = buckets[i]; object != NULL; object = object->next)
            if (object->open && object->freed_by != NULL)
                visit(object, data);
}

/* ---- reports */

static bool is_unset(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)bytes)[i] != 0)
            return false;
    return true;
}

static void report(hpyrt_misuse misuse, const char *function, const hpyrt_object *object, const char *detail)
{
    hpyrt_site here;
    hpyrt_note_site(&here, function);
    hpyrt_story story = {.here = &here, .verb = "made", .detail = detail};
    if (object != NULL) {
        story.opened = &object->made;
        story.closed = &object->freed;
    }
    hpyrt_report(misuse, &story);
}

/* A copy of what is known of these bytes; its size is 0 where nothing is. */
static hpyrt_object look_up(const void *bytes, size_t size)
{
    hpyrt_object copy = {.size = 0};
    pthread_mutex_lock(&hpyrt_debug_mutex);
    const hpyrt_object *found = find(bytes, size);
    if (found != NULL)
        copy = *found;
    pthread_mutex_unlock(&hpyrt_debug_mutex);
    return copy;
}

int hpyrt_debug_used(const char *function, const void *object, size_t size)
{
    if (size == 0)
        return 0;
    if (is_unset(object, size)) {
        report(HPYRT_OBJECT_UNSET, function, NULL, NULL);
        return -1;
    }
    if (size > sizeof ((hpyrt_object *)0)->bytes)       /* which hpyrt_debug_created does not keep */
        return 0;
    hpyrt_object known = look_up(object, size);
    if (known.size != 0 && known.open)
        return 0;
    report(known.size == 0 ? HPYRT_OBJECT_UNKNOWN : HPYRT_OBJECT_FREED, function, known.size == 0 ? NULL : &known, NULL);
    return -1;
}

bool hpyrt_tell_leaked_objects(void)
{
    bool go_on = true;
    hpyrt_open_thing *things;
    size_t count = hpyrt_open_things(0, &things);
    for (size_t i = 0; i < count; i++)
        if (things[i].freed_by != NULL)
            go_on &= hpyrt_tell(HPYRT_OBJECT_LEAKED, &(hpyrt_story){.verb = "made", .opened = &things[i].opened,
                                                                    .detail = things[i].freed_by});
    free(things);
    return go_on;
}

/* ---- what wrappers of CREATE and FREE call */

/* The slot of the debug mode's own thunk that the bytes of [object] may be; NULL where they are something else. */
static hpyrt_slot *own_slot(const void *object)
{
    void *thunk;
    memcpy(&thunk, object, sizeof thunk);
    return hpyrt_slot_of(thunk);
}

static const char *exception_text(PyObject *value, char *text, size_t size)
{
    PyObject *said = value == NULL ? NULL : PyObject_Str(value);
    const char *utf8 = said == NULL ? NULL : PyUnicode_AsUTF8(said);
    snprintf(text, size, "%s", utf8 != NULL ? utf8 : "(no message)");
    Py_XDECREF(said);
    PyErr_Clear();
    return text;
}

void hpyrt_debug_answered(const char *function, HPyContext *ctx)
{
    (void)ctx;
    if (hpyrt_current_view() == NULL || PyErr_Occurred() == NULL || !PyErr_ExceptionMatches(PyExc_ValueError))
        return;
    char text[200];
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    exception_text(value, text, sizeof text);
    report(HPYRT_ARGUMENT_REFUSED, function, NULL, text);
    PyErr_Restore(type, value, traceback);
}

void hpyrt_debug_created(const char *function, HPyContext *ctx, const void *object, size_t size, const char *freed_by)
{
    if (object == NULL || is_unset(object, size)) {
        hpyrt_debug_answered(function, ctx);
        return;
    }
    hpyrt_object *made = calloc(1, sizeof *made);
    if (made == NULL)
        hpyrt_debug_out_of_memory();
    if (size > sizeof made->bytes) {
        free(made);
        return;
    }
    memcpy(made->bytes, object, size);
    made->size = size;
    made->freed_by = freed_by;
    made->open = true;
    made->slot = size == sizeof(void *) ? own_slot(object) : NULL;
    hpyrt_note_site(&made->made, function);
    pthread_mutex_lock(&hpyrt_debug_mutex);
    hpyrt_object *before = find(object, size);
    if (before != NULL)
        overtake(before);
    made->serial = ++hpyrt_debug_serial;
    insert(made);
    pthread_mutex_unlock(&hpyrt_debug_mutex);
    hpyrt_debug_watch_interpreter(hpyrt_current_view());
}

int hpyrt_debug_freeing(const char *function, void *object, size_t size)
{
    if (is_unset(object, size)) {
        report(HPYRT_OBJECT_UNSET, function, NULL, NULL);
        return -1;
    }
    hpyrt_site here;
    hpyrt_note_site(&here, function);
    pthread_mutex_lock(&hpyrt_debug_mutex);
    hpyrt_object *known = find(object, size);
    hpyrt_object before = known != NULL ? *known : (hpyrt_object){.size = 0};
    if (known != NULL && known->open) {
        known->freed = here;
        remember_freed(known);
    }
    pthread_mutex_unlock(&hpyrt_debug_mutex);
    if (before.open) {
        if (before.slot != NULL)
            memcpy(object, &before.slot->data, size);
        return 0;
    }
    if (before.size == 0)
        report(HPYRT_OBJECT_UNKNOWN, function, NULL, NULL);
    else
        report(HPYRT_OBJECT_FREED_TWICE, function, &before, NULL);
    return -1;
}

/* ---- what wrappers of CALL call */

void (*hpyrt_debug_wrapped(void (*original)(void), void (*entry)(void)))(void)
{
    if (original == NULL)
        return NULL;
    const char *why;
    hpyrt_slot *slot = hpyrt_new_thunk(entry, &why);
    if (slot == NULL)
        hpyrt_debug_out_of_memory();
    slot->data = (void *)original;
    return (void (*)(void))hpyrt_thunk_of(slot);
}

int hpyrt_debug_call_begins(HPyLab_DebugCall *call, const char *function, void *slot, void (*helper)(void))
{
    void *thunk = hpyrt_thunk_of(slot);
    if (hpyrt_in_traverse()) {
        report(HPYRT_IN_TRAVERSE, function, NULL, NULL);
        return -1;
    }
    if (hpyrt_debug_used(function, &thunk, sizeof thunk) < 0)
        return -1;
    if (helper == NULL) {
        report(HPYRT_HELPER_UNSET, function, NULL, NULL);
        return -1;
    }
    hpyrt_debugged_thread *me = hpyrt_debugged();
    *call = (HPyLab_DebugCall){function, helper, (void (*)(void))((hpyrt_slot *)slot)->data, me->calls};
    me->calls = call;
    return 0;
}

void hpyrt_debug_call_ends(HPyLab_DebugCall *call)
{
    hpyrt_debugged()->calls = call->below;
}
