/* Exceptions that were pending before an acquisition: the caller's, which the body can lose but not set aside. See debug.h. */
#include "debug.h"

/* The exception that is pending, normalised or not: new references, which PyErr_Restore would take. */
typedef struct {
    PyObject *type, *value, *traceback;
} pending;

static pending look(void)
{
    pending found;
    PyErr_Fetch(&found.type, &found.value, &found.traceback);
    Py_XINCREF(found.type);
    Py_XINCREF(found.value);
    Py_XINCREF(found.traceback);
    PyErr_Restore(found.type, found.value, found.traceback);
    return found;
}

static void forget(pending *found)
{
    Py_XDECREF(found->traceback);
    Py_XDECREF(found->value);
    Py_XDECREF(found->type);
}

void hpyrt_note_pending(hpyrt_lease *lease)
{
    if (PyErr_Occurred() == NULL)
        return;
    pending found = look();
    lease->pending_type = found.type;
    lease->pending_value = found.value;
    Py_XDECREF(found.traceback);
}

void hpyrt_forget_pending(hpyrt_lease *lease)
{
    Py_CLEAR(lease->pending_value);
    Py_CLEAR(lease->pending_type);
}

/* The references that the lease owns keep another exception from getting the same address. Up to CPython 3.11 what is pending may
   be no exception yet, but what one is to be made of: when that was done it is still the same. */
bool hpyrt_is_still_pending(const hpyrt_lease *lease)
{
    if (PyErr_Occurred() == NULL)
        return false;
    pending found = look();
    bool was_one = lease->pending_value != NULL && PyExceptionInstance_Check(lease->pending_value);
    bool is_one = found.value != NULL && PyExceptionInstance_Check(found.value);
    bool same = found.type == lease->pending_type && (found.value == lease->pending_value || (is_one && !was_one));
    forget(&found);
    return same;
}

/* An exception of the caller's is lost once, also for the acquisitions around this one that began with it. */
void hpyrt_note_lost(hpyrt_lease *lease)
{
    for (hpyrt_lease *each = lease; each != NULL; each = each->below)
        if (each->pending_type == lease->pending_type && each->pending_value == lease->pending_value)
            each->told_lost = true;
}

/* ---- which functions lose it */

#define SLOT(field) offsetof(HPyContext, field)

/* These run Python whatever they are given. The others of HPy run none, or only for some of what they may be given
   (HPyLong_AsLong for what is no int): what is lost there is found at the release. */
static const size_t runs_python[] = {
    SLOT(ctx_Length), SLOT(ctx_Add), SLOT(ctx_Subtract), SLOT(ctx_Multiply), SLOT(ctx_MatrixMultiply), SLOT(ctx_FloorDivide),
    SLOT(ctx_TrueDivide), SLOT(ctx_Remainder), SLOT(ctx_Divmod), SLOT(ctx_Power), SLOT(ctx_Negative), SLOT(ctx_Positive),
    SLOT(ctx_Absolute), SLOT(ctx_Invert), SLOT(ctx_Lshift), SLOT(ctx_Rshift), SLOT(ctx_And), SLOT(ctx_Xor), SLOT(ctx_Or),
    SLOT(ctx_Index), SLOT(ctx_Long), SLOT(ctx_Float), SLOT(ctx_InPlaceAdd), SLOT(ctx_InPlaceSubtract), SLOT(ctx_InPlaceMultiply),
    SLOT(ctx_InPlaceMatrixMultiply), SLOT(ctx_InPlaceFloorDivide), SLOT(ctx_InPlaceTrueDivide), SLOT(ctx_InPlaceRemainder),
    SLOT(ctx_InPlacePower), SLOT(ctx_InPlaceLshift), SLOT(ctx_InPlaceRshift), SLOT(ctx_InPlaceAnd), SLOT(ctx_InPlaceXor),
    SLOT(ctx_InPlaceOr), SLOT(ctx_CallTupleDict), SLOT(ctx_Call), SLOT(ctx_CallMethod), SLOT(ctx_Err_NewException),
    SLOT(ctx_Err_NewExceptionWithDoc), SLOT(ctx_Err_WarnEx), SLOT(ctx_IsTrue), SLOT(ctx_Type_FromSpec), SLOT(ctx_GetAttr),
    SLOT(ctx_GetAttr_s), SLOT(ctx_HasAttr), SLOT(ctx_HasAttr_s), SLOT(ctx_SetAttr), SLOT(ctx_SetAttr_s), SLOT(ctx_GetItem),
    SLOT(ctx_GetItem_i), SLOT(ctx_GetItem_s), SLOT(ctx_Contains), SLOT(ctx_SetItem), SLOT(ctx_SetItem_i), SLOT(ctx_SetItem_s),
    SLOT(ctx_DelItem), SLOT(ctx_DelItem_i), SLOT(ctx_DelItem_s), SLOT(ctx_Repr), SLOT(ctx_Str), SLOT(ctx_ASCII),
    SLOT(ctx_Bytes), SLOT(ctx_RichCompare), SLOT(ctx_RichCompareBool), SLOT(ctx_Hash), SLOT(ctx_Import_ImportModule),
    SLOT(ctx_Compile_s), SLOT(ctx_EvalCode), SLOT(ctx_Unicode_FromEncodedObject),
};

/* These clear what is pending, or put something in its place. */
static const size_t drops[] = {
    SLOT(ctx_Err_SetString), SLOT(ctx_Err_SetObject), SLOT(ctx_Err_SetFromErrnoWithFilename),
    SLOT(ctx_Err_SetFromErrnoWithFilenameObjects), SLOT(ctx_Err_NoMemory), SLOT(ctx_Err_Clear), SLOT(ctx_Err_WriteUnraisable),
};

#undef SLOT

static bool is_among(size_t offset, const size_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (offsets[i] == offset)
            return true;
    return false;
}

bool hpyrt_loses_pending(size_t offset, hpyrt_misuse *how)
{
    bool runs = is_among(offset, runs_python, sizeof runs_python / sizeof *runs_python);
    *how = runs ? HPYRT_EXCEPTION_LOST : HPYRT_EXCEPTION_DROPPED;
    return runs || is_among(offset, drops, sizeof drops / sizeof *drops);
}
