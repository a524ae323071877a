/* The runtime half as a Python module: what a Python implementation would ship, here an ordinary extension of the C API.
   It hands its table of functions over in a capsule; as an integer on PyPy, whose HPy has its capsule functions in other
   slots than HPy 0.9.0, for which the extensions are built. */
#include "runtime.h"

#include "autogen_context.h"

#include "debug.h"

static void register_context(HPyContext *ctx)
{
    hpyrt_view *view = hpyrt_current_view();
    HPyContext *admitted = view != NULL ? hpyrt_admit(ctx) : NULL;
    if (admitted != NULL)
        hpyrt_set_context(view, admitted);
}

static const HPyLab_Runtime table = {
    .magic = HPyLab_MAGIC,
    .spec = HPyLab_SPEC,
    .size = sizeof table,
    .register_context = register_context,
    HPyLab_RUNTIME_TABLE
    .debug = &hpyrt_debug,
};

static int module_exec(PyObject *module)
{
    if (hpyrt_open_view() < 0)
        return -1;
#ifdef PYPY_VERSION
    PyObject *handed = PyLong_FromVoidPtr((void *)&table);
#else
    PyObject *handed = PyCapsule_New((void *)&table, HPyLab_RUNTIME_CAPSULE, NULL);
#endif
    if (handed == NULL)
        return -1;
    if (PyModule_AddObject(module, "table", handed) < 0) {
        Py_DECREF(handed);
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    /* not so: hpyrt_open_view refuses interpreters with a GIL of their own, and says why */
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = HPyLab_RUNTIME_MODULE,
    .m_doc = "The lab's runtime half.",
    .m_methods = hpyrt_debug_methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_hpylab_runtime(void);
PyMODINIT_FUNC PyInit_hpylab_runtime(void)
{
    return PyModuleDef_Init(&definition);
}
