"""The wrappers of the lab's debug mode, in C: around each function of a proposal by its role, around each helper, and in place
of each function pointer. What they call is csrc/debug_table.h.

Each function below has above it a sketch of the C to come. A name with HPyLabDebug in it is not for extensions: at the end the
header defines the proposal's name as the wrapper's.
"""

from __future__ import annotations

import re

from lab import roles
from lab.roles import Parameter, Signature
from lab.spec import ApiFunction, Proposal, Spec



def wrappers(spec: Spec) -> list[str]:
    """Each wrapper, in an order in which each is defined before it is used."""
    return [text for proposal in spec.proposals for text in _Wrapping(proposal).texts()]


def wrapped_names(spec: Spec) -> list[tuple[str, str]]:
    """(name, its wrapper's name) of each function that an extension calls by name."""
    return [(function.name, f"_HPyLabDebug_{function.name}") for functions in (proposal.by_name for proposal in spec.proposals)
            for function, *_ in functions.values() if function.reach != "POINTER"]


class _Wrapping:
    """The wrappers of one proposal."""

    def __init__(self, proposal: Proposal):
        self.functions = [functions[0] for functions in proposal.by_name.values()]
        self.by_name = proposal.by_name
        self.pointers = proposal.pointers
        self.declarations = [declaration.node for declaration in proposal.declarations]
        self.signatures = {function.name: roles.signature(function.node) for function in self.functions}
        self.calls = {function.name: function for function in self.functions if function.role == "CALL"}

    def texts(self) -> list[str]:
        write = {"CREATE": self._create, "FREE": self._free, "ACQUIRE": self._acquire, "BORROW": self._acquire,
                 "RELEASE": self._release}
        texts = self._without_padding()
        texts += [text for function in self.calls.values() for text in (self._helper(function), self._entry(function))]
        return texts + [write[function.role](function) for function in self.functions if function.role != "CALL"]

    #   _Static_assert(sizeof(HPyVMValue) == sizeof(((HPyVMValue *)0)->_data) + sizeof(((HPyVMValue *)0)->open_context),
    #       "HPyVMValue has padding, and is known to the debug mode by its bytes");
    def _without_padding(self) -> list[str]:
        """An assertion for each structure that is made and handed about by value."""
        made = dict.fromkeys(self.signatures[function.name].made for function in self.functions if function.role == "CREATE")
        found = {kind: roles.members(kind, self.declarations) for kind in made}
        return [f"_Static_assert(sizeof({kind}) == "
                + "\n        + ".join(f"sizeof((({kind} *)0)->{member})" for member in members)
                + f',\n    "{kind} has padding, and is known to the debug mode by its bytes");'
                for kind, members in found.items() if members]

    # ---- what a function is given

    def _objects(self, function: ApiFunction) -> list[Parameter]:
        """The parameters of [function] that are what a CREATE of one of its forms makes."""
        forms = {one.form for one in self.by_name[function.name]}
        made = {self.signatures[other.name].made for other in self.functions if other.role == "CREATE"
                and forms & {one.form for one in self.by_name[other.name]}}
        return [parameter for parameter in self.signatures[function.name].parameters if parameter.type in made]

    def _freed_by(self, function: ApiFunction) -> str:
        """The C text that names the function which frees what [function] makes."""
        forms = {one.form for one in self.by_name[function.name]}
        for other in self.functions:
            if other.role == "FREE" and forms & {one.form for one in self.by_name[other.name]}:
                if self.signatures[other.name].others[0].type == self.signatures[function.name].made:
                    return f'"{other.name}"'
        return "NULL"

    def _head(self, function: ApiFunction) -> str:
        prototype = function.prototype.removeprefix("static inline ")
        renamed = re.sub(rf"\b{function.name}\b", f"_HPyLabDebug_{function.name}", prototype, count=1)
        return f"_HPyLab_WRAPPER {renamed}\n{{\n    const HPyLab_Debug *debug = hpylab_runtime->debug;\n"

    def _given(self, function: ApiFunction, contexts: tuple[Parameter, ...]) -> str:
        """Have each context looked at and replaced by the one to pass on."""
        answer = _refusal(self.signatures[function.name])
        return "".join(f'    {one.name} = debug->given("{function.name}", {one.name});\n'
                       f"    if ({one.name} == NULL)\n        {answer};\n" for one in contexts)

    def _used(self, function: ApiFunction, objects: list[Parameter]) -> str:
        answer = _refusal(self.signatures[function.name])
        return "".join(f'    if (debug->used("{function.name}", &{one.name}, sizeof {one.name}) < 0)\n        {answer};\n'
                       for one in objects)

    # ---- the wrappers

    #   static HPyContext *_HPyLabDebug_HPy_EnterContextFrom(HPyContextReference reference)
    #   {
    #       const HPyLab_Debug *debug = hpylab_runtime->debug;
    #       if (debug->acquiring("HPy_EnterContextFrom", &reference, sizeof reference) < 0)
    #           return NULL;
    #       return debug->acquired("HPy_EnterContextFrom", HPy_EnterContextFrom(reference));
    #   }
    def _acquire(self, function: ApiFunction) -> str:
        objects = self._objects(function)
        first = f"&{objects[0].name}, sizeof {objects[0].name}" if objects else "NULL, 0"
        after = "acquired" if function.role == "ACQUIRE" else "borrowed"
        return (self._head(function) + self._given(function, self.signatures[function.name].contexts)
                + self._used(function, objects[1:])
                + f'    if (debug->acquiring("{function.name}", {first}) < 0)\n        return NULL;\n'
                + f'    return debug->{after}("{function.name}", {_call(function)});\n}}')

    #   static void _HPyLabDebug_HPyVM_CloseContext(HPyVM *vm, HPyContext *ctx)
    #   {
    #       const HPyLab_Debug *debug = hpylab_runtime->debug;
    #       if (debug->used("HPyVM_CloseContext", &vm, sizeof vm) < 0)
    #           return;
    #       ctx = debug->releasing("HPyVM_CloseContext", ctx);
    #       if (ctx == NULL)
    #           return;
    #       HPyVM_CloseContext(vm, ctx);
    #   }
    def _release(self, function: ApiFunction) -> str:
        of = self.signatures[function.name]
        name = of.contexts[0].name
        return (self._head(function) + self._used(function, self._objects(function))
                + f'    {name} = debug->releasing("{function.name}", {name});\n'
                + f"    if ({name} == NULL)\n        {_refusal(of)};\n"
                + f"    {'' if of.result == 'void' else 'return '}{_call(function)};\n}}")

    #   static HPyContextTrampoline _HPyLabDebug_HPy_GetContextTrampoline(HPyContext *ctx)
    #   {
    #       const HPyLab_Debug *debug = hpylab_runtime->debug;
    #       ctx = debug->given("HPy_GetContextTrampoline", ctx);
    #       if (ctx == NULL)
    #           return (HPyContextTrampoline)0;
    #       HPyContextTrampoline made = HPy_GetContextTrampoline(ctx);
    #       made = (HPyContextTrampoline)debug->wrapped((void (*)(void))made,
    #                                                   (void (*)(void))_HPyLabDebugCall_HPyContextTrampoline);
    #       debug->created("HPy_GetContextTrampoline", ctx, &made, sizeof made, "HPyContextTrampoline_Free");
    #       return made;
    #   }
    def _create(self, function: ApiFunction) -> str:
        of = self.signatures[function.name]
        name = of.contexts[0].name if of.contexts else "NULL"
        freed_by = self._freed_by(function)
        text = self._head(function) + self._given(function, of.contexts)
        if of.stored:
            stored = of.stored.name
            text += f'    if ({stored} == NULL) {{\n        debug->refused("{function.name}", "{stored} is NULL");\n'
            text += f"        {_call(function)};\n        return;\n" if of.result == "void" else f"        return {_call(function)};\n"
            text += "    }\n"
            text += f"    {_call(function)};\n" if of.result == "void" else f"    int status = {_call(function)};\n"
            failed = "" if of.result == "void" else "status < 0 ? NULL : "
            text += self._wrapped(of.made, f"*{stored}")
            text += f'    debug->created("{function.name}", {name}, {failed}{stored}, sizeof *{stored}, {freed_by});\n'
            return text + ("}" if of.result == "void" else "    return status;\n}")
        text += f"    {of.made} made = {_call(function)};\n" + self._wrapped(of.made, "made")
        return text + f'    debug->created("{function.name}", {name}, &made, sizeof made, {freed_by});\n    return made;\n}}'

    def _wrapped(self, made: str, place: str) -> str:
        if made not in self.calls:
            return ""
        return (f"    {place} = ({made})debug->wrapped((void (*)(void)){place},\n"
                f"        (void (*)(void))_HPyLabDebugCall_{made});\n")

    #   static int _HPyLabDebug_HPyContextReference_Close(HPyContext *ctx, HPyContextReference reference)
    #   {
    #       const HPyLab_Debug *debug = hpylab_runtime->debug;
    #       ctx = debug->given("HPyContextReference_Close", ctx);
    #       if (ctx == NULL)
    #           return -1;
    #       if (debug->freeing("HPyContextReference_Close", &reference, sizeof reference) < 0) {
    #           HPyErr_SetString(ctx, ctx->h_ValueError, "HPyContextReference_Close: what was given is not to be freed");
    #           return -1;
    #       }
    #       int answer = HPyContextReference_Close(ctx, reference);
    #       if (answer < 0)
    #           debug->answered("HPyContextReference_Close", ctx);
    #       return answer;
    #   }
    def _free(self, function: ApiFunction) -> str:
        of = self.signatures[function.name]
        name = of.others[0].name
        ctx = of.contexts[0].name if of.contexts else "NULL"
        text = (self._head(function) + self._given(function, of.contexts)
                + f'    if (debug->freeing("{function.name}", &{name}, sizeof {name}) < 0) {{\n')
        if of.result == "int" and of.contexts:      # refused with an exception, as in release mode
            text += f'        HPyErr_SetString({ctx}, {ctx}->h_ValueError, "{function.name}: what was given is not to be freed");\n'
        text += f"        {_refusal(of)};\n    }}\n"
        if of.result != "int":
            return text + f"    {'' if of.result == 'void' else 'return '}{_call(function)};\n}}"
        return (text + f"    int answer = {_call(function)};\n    if (answer < 0)\n"
                + f'        debug->answered("{function.name}", {ctx});\n    return answer;\n}}')

    #   static void *_HPyLabDebugHelper_HPyContextTrampoline(HPyContext *ctx, void *arg)
    #   {
    #       const HPyLab_Debug *debug = hpylab_runtime->debug;
    #       void (*helper)(void);
    #       ctx = debug->helper_begins(ctx, &helper);
    #       void *answer = ((HPyContextHelper)helper)(ctx, arg);
    #       debug->helper_ends(ctx);
    #       return answer;
    #   }
    def _helper(self, function: ApiFunction) -> str:
        kind = roles.helper(self.signatures[function.name], self.pointers).type
        of = self.pointers[kind]
        names = ["ctx", *(f"given{place}" for place in range(1, len(of.parameters)))]
        given = ", ".join(_declare(parameter.type, name) for parameter, name in zip(of.parameters, names))
        keep = "" if of.result == "void" else f"{_declare(of.result, 'answer')} = "
        return (f"_HPyLab_WRAPPER {_declare(of.result, f'_HPyLabDebugHelper_{function.name}')}({given})\n{{\n"
                f"    const HPyLab_Debug *debug = hpylab_runtime->debug;\n    void (*helper)(void);\n"
                f"    ctx = debug->helper_begins(ctx, &helper);\n"
                f"    {keep}(({kind})helper)({', '.join(names)});\n    debug->helper_ends(ctx);\n"
                + ("}" if of.result == "void" else "    return answer;\n}"))

    #   static void *_HPyLabDebugCall_HPyContextTrampoline(HPyContextHelper helper, void *arg, intptr_t unpassed2, void *slot)
    #   {
    #       const HPyLab_Debug *debug = hpylab_runtime->debug;
    #       HPyLab_DebugCall call;
    #       if (debug->call_begins(&call, "HPyContextTrampoline", slot, (void (*)(void))helper) < 0)
    #           return (void *)0;
    #       void *answer = ((HPyContextTrampoline)call.original)(_HPyLabDebugHelper_HPyContextTrampoline, arg);
    #       debug->call_ends(&call);
    #       return answer;
    #   }
    def _entry(self, function: ApiFunction) -> str:
        of = self.signatures[function.name]
        helper = roles.helper(of, self.pointers)
        given = [_declare(parameter.type, parameter.name) for parameter in of.parameters]
        given += [f"intptr_t unpassed{place}" for place in range(len(given), roles.MOST_CALL_PARAMETERS)]
        passed = [f"_HPyLabDebugHelper_{function.name}" if one == helper else one.name for one in of.parameters]
        keep = "" if of.result == "void" else f"{_declare(of.result, 'answer')} = "
        return (f"_HPyLab_WRAPPER {_declare(of.result, f'_HPyLabDebugCall_{function.name}')}({', '.join(given)},\n"
                f"    void *slot)\n{{\n"
                f"    const HPyLab_Debug *debug = hpylab_runtime->debug;\n    HPyLab_DebugCall call;\n"
                f'    if (debug->call_begins(&call, "{function.name}", slot, (void (*)(void)){helper.name}) < 0)\n'
                f"        {_refusal(of)};\n"
                f"    {keep}(({function.name})call.original)({', '.join(passed)});\n    debug->call_ends(&call);\n"
                + ("}" if of.result == "void" else "    return answer;\n}"))


def _call(function: ApiFunction) -> str:
    return f"{function.name}({', '.join(function.parameters)})"


def _declare(kind: str, name: str) -> str:
    return f"{kind}{name}" if kind.endswith("*") else f"{kind} {name}"


def _refusal(of: Signature) -> str:
    """What a wrapper answers after a report: nothing, -1 or NULL."""
    if of.result == "void":
        return "return"
    is_integer = re.fullmatch(r"(signed |long |short )*(int|long|short)(\d*_t)?", of.result)
    return "return -1" if is_integer else f"return ({of.result})0"
