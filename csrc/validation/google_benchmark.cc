// A driver that lets Google Benchmark time the calls, with its own loop, its own number of iterations and its own repetitions.
// Loaded by a worker like any other driver; what the repetitions took is fetched afterwards.
extern "C" {
#include "native.h"
}

#include <benchmark/benchmark.h>

#include <cerrno>
#include <vector>

namespace {

std::vector<double> repetitions;    // of the last benchmark: nanoseconds per call, by the clock on the wall

class Collector : public benchmark::BenchmarkReporter {
  public:
    bool ReportContext(const Context &) override { return true; }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs)
            if (run.run_type == Run::RT_Iteration)      // the others are means and medians of these
                repetitions.push_back(run.GetAdjustedRealTime());
    }
};

void call(benchmark::State &state, native_run *run)
{
    int64_t sum = 0, result = 0;
    for (auto _ : state) {
        int status = run->call(run->closure, run->arg, &result);
        if (__builtin_expect(status != 0, 0))
            (status < 0 ? run->refused : run->raised)++;
        sum += result;
    }
    run->calls += state.iterations();
    run->checksum += sum;
}

}

#define EXPORTED extern "C" __attribute__((visibility("default")))

// [run]->loops repetitions, each of at least [run]->size microseconds; [run]->calls counts the iterations of all.
EXPORTED int hpylab_drive(native_run *run)
{
    if (run->call == nullptr || run->loops < 1 || run->size < 1)
        return EINVAL;
    static bool initialised;
    if (!initialised) {
        static char name[] = "hpylab";
        static char *argv[] = {name, nullptr};
        int argc = 1;
        benchmark::Initialize(&argc, argv);
        initialised = true;
    }
    run->calls = run->checksum = run->refused = run->raised = 0;
    repetitions.clear();
    benchmark::ClearRegisteredBenchmarks();
    benchmark::RegisterBenchmark("call", call, run)
        ->Repetitions(static_cast<int>(run->loops))
        ->MinTime(static_cast<double>(run->size) * 1e-6)
        ->Unit(benchmark::kNanosecond);
    Collector collector;
    benchmark::RunSpecifiedBenchmarks(&collector);
    return static_cast<int64_t>(repetitions.size()) == run->loops ? 0 : EIO;
}

// Of what the last driving took: the nanoseconds per call of the repetition [index], or -1 where there is none.
EXPORTED double hpylab_repetition(int64_t index)
{
    return index >= 0 && index < static_cast<int64_t>(repetitions.size()) ? repetitions[index] : -1.0;
}
