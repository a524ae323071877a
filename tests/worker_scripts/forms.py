"""What the tests of the forms do in a process of their own; each returns what its test compares."""

import ctypes
import faulthandler
import gc
import importlib.machinery
import importlib.util
import mmap
import resource
import threading
import time
import weakref

from api import INT, POINTER, Api, address_of, failure
from binding import Thread, while_bound
from loading import Arm, Lab
from probing import thread_states, where

BLOCK_S = 10.0


# ---- policies ----

def attached_only(subject, helper):
    """Under the policy attached_only: [status, result] attached, then of a thread that left Python execution; what a foreign
    thread's batch came to; whether this thread is as it was; thread states before and after."""
    before = where(), thread_states()

    def play(bound):
        attached = bound.call(7)
        left = bound.call(7, holding=False)
        run = bound.new_run(loops=3)
        thread = Thread(helper, bound, [run])
        thread.let_end()
        thread.join()
        return attached, left, (run.refused, run.checksum)

    answers = while_bound(subject, play, body="nothing", policy="attached_only")
    return answers, where() == before[0], before[1], thread_states()


# ---- captured objects ----

class Thing:
    """An object to capture, which can be seen to go."""

    def __init__(self, number):
        self.number = number


def captured(subject, helper):
    """An object that is captured and then dropped by everybody else: what three callbacks saw of it, attached, left and on a
    foreign thread; whether it lived while it was bound; whether it is gone when it is not."""
    seen = []
    kept = [Thing(35)]
    watch = weakref.ref(kept[0])

    def function(thing, number):
        seen.append(thing is watch())
        return thing.number + number

    def play(bound):
        kept.clear()
        gc.collect()
        thread = Thread(helper, bound, [bound.new_run(arg=1)])
        thread.let_end()
        thread.join()
        return [bound.call(7), bound.call(8, holding=False), bound.call(9)], watch() is not None

    def drive():
        return while_bound(subject, play, body="captured", function=function, captured=(kept[0],))

    answers, alive = drive()
    for _ in range(3):
        gc.collect()
    return answers, seen, alive, watch() is None


def captured_twice(subject):
    """Two captured objects at once: what the second Bind says, or the result of its callback."""
    def function(thing, number):
        return thing.number + number

    def inner(bound):
        return bound.call(1)[1]

    def play(bound):
        second = failure(lambda: while_bound(subject, inner, "captured", function, captured=(Thing(100),)))
        subject.arm.bodies.set_callable(function)
        return second, bound.call(1)[1]

    return while_bound(subject, play, body="captured", function=function, captured=(Thing(10),))


# ---- wrong arguments ----

def wrong_arguments(libraries, entries, extension):
    """What each function answers to arguments that no user should pass, by name."""
    lab = Lab(libraries)
    Arm(lab, extension)
    api = Api(lab, entries)
    now = POINTER(lab.native_address("native_now"))
    said = {"close NULL": failure(api.call, "ContextReference_Close", INT, None)}
    token = api.call("GetContextReference", POINTER)
    said["close"] = failure(api.call, "ContextReference_Close", INT, token)
    said["another token's place"] = api.call("GetContextReference", POINTER) == token
    said["close again"] = failure(api.call, "ContextReference_Close", INT, token)
    said["no handle"] = failure(api.call, "GetHandleTrampoline", POINTER, None)
    for kind in ("Context", "Checked"):
        trampoline = api.call("Get%sTrampoline" % kind, POINTER)
        result = ctypes.c_void_p(12345)
        prototype = ctypes.PYFUNCTYPE(ctypes.c_int if kind == "Checked" else ctypes.c_void_p, POINTER, POINTER, POINTER)
        said[kind + " no helper"] = prototype(trampoline)(None, 7, ctypes.byref(result)), result.value
        called = prototype(trampoline)(now, None, ctypes.byref(result))
        said[kind + " called"] = bool(called) if kind == "Context" else (called, result.value != 12345)
        said[kind + " free"] = failure(api.call, kind + "Trampoline_Free", INT, trampoline)
        said[kind + " free again"] = failure(api.call, kind + "Trampoline_Free", INT, trampoline)
        said[kind + " free NULL"] = failure(api.call, kind + "Trampoline_Free", INT, None)
        said[kind + " free another"] = failure(api.call, kind + "Trampoline_Free", INT, now)
    thing = [1]
    for name, words in (("unaligned", 1), ("unmapped", 4096), ("no VM", (5, 6, 7)), ("an object", id(thing))):
        garbage = (ctypes.c_void_p * 3)(*words) if isinstance(words, tuple) else None
        storage = ctypes.c_void_p(ctypes.addressof(garbage) if garbage else words)
        before = storage.value
        said["storage " + name] = failure(api.call, "GetVM", INT, ctypes.byref(storage)), storage.value == before
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    storage = ctypes.c_void_p(0x123456780)
    said["storage without a descriptor"] = failure(api.call, "GetVM", INT, ctypes.byref(storage)), storage.value == 0x123456780
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    value = (ctypes.c_void_p * 3)(5, 6, 7)
    said["value"] = failure(api.call, "GetVMValue", INT, value), list(value)
    return said


def vm_twice(libraries, entries, extension):
    """Both VMs asked for twice by the same runtime: statuses, and whether the second left what the first did."""
    lab = Lab(libraries)
    Arm(lab, extension)
    api = Api(lab, entries)
    pointer, value = ctypes.c_void_p(), (ctypes.c_void_p * 3)()
    answers = []
    for name, storage in (("GetVM", ctypes.byref(pointer)), ("GetVMValue", value)):
        answers.append(api.call(name, INT, storage))
        first = pointer.value, list(value)
        answers.append(api.call(name, INT, storage))
        answers.append((pointer.value, list(value)) == first)
    return answers


def load_runtime(path):
    """The table of another runtime half, as a module of its own beside the lab's."""
    loader = importlib.machinery.ExtensionFileLoader("hpylab_runtime", path)
    spec = importlib.util.spec_from_file_location("hpylab_runtime", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module.table


def two_runtimes(libraries, entries, extension, other, name):
    """Ask a second runtime half, at [other], for the VM into a storage that the first has set."""
    lab = Lab(libraries)
    Arm(lab, extension)
    api, second = Api(lab, entries), Api(lab, entries)
    second.table = type(api.table).from_address(address_of(load_runtime(other)))
    storage = (ctypes.c_void_p * 3)()
    answers = [api.call(name, INT, storage)]
    faulthandler.disable()      # whose dump of the C stack would push the message out of the last words
    answers.append(second.call(name, INT, storage))
    return answers


def runtime_in_memory(libraries, entries, extension, name, executable):
    """Ask for the VM into a storage whose functions lie in memory that is no library's, and may be executed or not."""
    lab = Lab(libraries)
    Arm(lab, extension)
    api, page = Api(lab, entries), mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    at = ctypes.addressof(ctypes.c_char.from_buffer(page))
    if executable:
        mprotect = ctypes.CDLL(None, use_errno=True).mprotect
        mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        if mprotect(at, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    vm = (ctypes.c_void_p * 3)(0x5eed00, at, at + 16)
    storage = ctypes.byref(ctypes.c_void_p(ctypes.addressof(vm))) if name == "GetVM" else vm
    faulthandler.disable()
    return failure(api.call, name, INT, storage)


# ---- freeing while somebody is inside ----

HELPER = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
RELEASED = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)      # called without the GIL


class Inside:
    """A thread that is in a trampoline's helper until it is told to leave."""

    def __init__(self, trampoline):
        self.entered, self.leave, self.answer = threading.Event(), threading.Event(), None
        self.helper = HELPER(self.stay)
        self.thread = threading.Thread(target=self.call, args=(RELEASED(trampoline),))
        self.thread.start()

    def call(self, trampoline):
        self.answer = trampoline(ctypes.cast(self.helper, ctypes.c_void_p), 42)

    def stay(self, ctx, arg):
        self.entered.set()
        self.leave.wait(BLOCK_S)
        return arg

    def end(self):
        self.leave.set()
        self.thread.join()
        return self.answer


def comes_again(make, free, address, most):
    """Whether one of the next [most] things made is at [address]; all are freed again."""
    made = []
    while len(made) < most and address not in made[-1:]:
        made.append(make())
    found = address in made
    for each in made:
        free(each)
    return found


def free_trampoline_inside(libraries, entries, extension, most):
    """A trampoline freed with a thread inside: what free answered, whether its address was given out while the thread was
    inside, what the thread's call answered, whether the address was given out later."""
    lab = Lab(libraries)
    Arm(lab, extension)
    api = Api(lab, entries)

    def make():
        return api.call("GetContextTrampoline", POINTER)

    def free(trampoline):
        return api.call("ContextTrampoline_Free", INT, trampoline)

    trampoline = make()
    inside = Inside(trampoline)
    inside.entered.wait(BLOCK_S)
    freed = free(trampoline)
    again = comes_again(make, free, trampoline, most)
    answer = inside.end()
    return freed, again, answer, comes_again(make, free, trampoline, 2 * most)


def free_trampoline_on_the_way(libraries, entries, extension, helper, rounds, microseconds=4000):
    """A trampoline freed while a thread that called it waits for the GIL: how often its helper ran, how often it was refused."""
    lab = Lab(libraries)
    Arm(lab, extension)
    api = Api(lab, entries)
    usleep = ctypes.PyDLL(None).usleep
    call_after = ctypes.CDLL(helper).call_after
    call_after.restype = ctypes.c_void_p
    call_after.argtypes = ctypes.c_int64, POINTER, POINTER, POINTER
    answers = []

    def call(trampoline):
        answers.append(call_after(microseconds, trampoline, lab.native_address("native_now"), None))

    for _ in range(rounds):
        trampoline = api.call("GetContextTrampoline", POINTER)
        thread = threading.Thread(target=call, args=(trampoline,))
        thread.start()
        time.sleep(microseconds / 4e6)                  # the thread has left Python, and waits
        usleep(ctypes.c_uint(2 * microseconds))         # calls, and comes to where it must wait for the GIL, which is kept here
        api.call("ContextTrampoline_Free", INT, trampoline)
        thread.join()
    return sum(answer is not None for answer in answers), sum(answer is None for answer in answers)


def close_token_inside(libraries, entries, extension, most):
    """As free_trampoline_inside, of a token; then what entering from it answers once it was closed."""
    lab = Lab(libraries)
    Arm(lab, extension)
    api = Api(lab, entries)

    def make():
        return api.call("GetContextReference", POINTER)

    def free(token):
        return api.call("ContextReference_Close", INT, token)

    def enter(token):
        function = ctypes.c_void_p.from_address(token).value
        return ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(function)(token)

    token = make()
    entered, leave, seen = threading.Event(), threading.Event(), []

    def stay():
        seen.append(enter(token) == api.ctx.value)
        entered.set()
        leave.wait(BLOCK_S)
        ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(api.table.ctx_LeaveContext)(api.ctx)

    thread = threading.Thread(target=stay)
    thread.start()
    entered.wait(BLOCK_S)
    freed = free(token)
    refused = enter(token) is None
    again = comes_again(make, free, token, most)
    leave.set()
    thread.join()
    later = any(comes_again(make, free, token, 2 * most) for _ in range(2))    # a few always stay idle
    return seen, freed, refused, again, later
