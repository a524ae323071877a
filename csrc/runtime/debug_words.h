/* What the debug mode says: X(name, what happened, what to do about it). */
#ifndef HPYRT_DEBUG_WORDS_H
#define HPYRT_DEBUG_WORDS_H

#define HPYRT_MISUSES(X) \
    X(RELEASED_NULL, "NULL was given to be released", \
      "test what the acquisition returned: NULL is a refusal, and there is nothing to release") \
    X(RELEASED_UNACQUIRED, "a context was released that was not acquired", \
      "release what an acquisition of this extension returned, and nothing else") \
    X(RELEASED_TWICE, "a context was released twice", \
      "release each acquisition once") \
    X(RELEASED_OUT_OF_ORDER, "a context was released out of order", \
      "release the innermost acquisition of the thread first") \
    X(RELEASED_ELSEWHERE, "a context was released on another thread", \
      "release it on the thread that acquired it") \
    X(RELEASED_DETACHED, "a context was released while the thread had left Python execution", \
      "re-enter Python execution before the release") \
    X(RELEASED_RAISING, "a context was released with an exception pending that the body raised", \
      "report it (HPyErr_WriteUnraisable) or clear it before the release: nobody else will see it") \
    X(OTHER_FLAVOUR, "a context of another flavour was released (universal, debug or trace)", \
      "release the context that the acquisition returned, not one that HPy passed to a function") \
    X(USED_AFTER_RELEASE, "a context was used after it was released", \
      "keep no context: acquire one each time") \
    X(USED_ELSEWHERE, "a context was used on another thread", \
      "acquire one on each thread that needs one") \
    X(USED_DETACHED, "a context was used while the thread was not attached", \
      "re-enter Python execution first, or acquire a context") \
    X(EXCEPTION_LOST, "Python was called with an exception pending since before the acquisition", \
      "call no Python there (a destructor, for instance): the pending exception gets lost, and HPy cannot set it aside") \
    X(EXCEPTION_DROPPED, "an exception that was pending since before the acquisition was cleared or replaced", \
      "leave it as it is, and raise nothing there: it is the caller's, and HPy cannot set it aside") \
    X(HANDLE_ESCAPED, "a handle that was opened inside the acquisition is still open at its release", \
      "close it before the release, or keep the object in an HPyField or an HPyGlobal") \
    X(IN_TRAVERSE, "a context was acquired inside a tp_traverse", \
      "call nothing of Python there: visit fields, and return") \
    X(LEFT_OPEN_BY_HELPER, "a helper returned and left an acquisition open", \
      "release what the helper acquired before it returns") \
    X(LEFT_OPEN_BY_THREAD, "a thread ended and left an acquisition open", \
      "release it before the thread ends") \
    X(LEFT_OPEN_BY_INTERPRETER, "an interpreter ended and left an acquisition open on the thread that ended it", \
      "release it before the interpreter is ended") \
    X(LEFT_OPEN_BY_PROCESS, "the process ended and left an acquisition open", \
      "release it before the process ends") \
    X(STAYS_INSIDE, "a thread stays inside an acquisition while the interpreter finalizes", \
      "end such threads, or release, before the interpreter is ended: it waits for them") \
    X(OBJECT_UNSET, "NULL or unset: what was given was never made", \
      "test what the creating function returned, and keep it until it is used") \
    X(OBJECT_UNKNOWN, "what was given is not one that was made, or was freed long ago", \
      "give what the creating function returned; initialise the storage for it") \
    X(OBJECT_FREED, "what was given was used after it was freed", \
      "free it when nobody can use it any more") \
    X(OBJECT_FREED_TWICE, "what was given was freed twice", \
      "free it once") \
    X(OBJECT_LEAKED, "what was made was never freed", \
      "free it when it is used no more") \
    X(ARGUMENT_REFUSED, "an argument was refused", \
      "give what the function asks for") \
    X(HELPER_UNSET, "the helper to call is NULL", \
      "give a function")

#endif
