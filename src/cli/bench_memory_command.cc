#include "cli/bench_memory_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/machine.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/io_figures.h"
#include "cli/json_output.h"
#include "engine/cost_model.h"

namespace sluice {
namespace {

constexpr const char* kLine = "{:>7} {:>8} {:>12}\n";
constexpr size_t kMostThreads = 1024;

struct BenchMemoryOptions {
  std::vector<size_t> threads;  // empty: 1, 2, 4, ... and all cores
  std::string size = "256MiB";
  size_t rounds = 5;
  bool json = false;
};

std::vector<size_t> doubling_up_to(size_t cores) {
  std::vector<size_t> threads;
  for (size_t count = 1; count < cores; count *= 2) threads.push_back(count);
  threads.push_back(cores);
  return threads;
}

// Written to: pages that nobody wrote are all the same page of zeros, which a cache holds.
Result<MappedMemory> touched_memory(const std::string& size) {
  SLUICE_ASSIGN(const uint64_t size_bytes, parse_bytes(size));
  if (size_bytes < sizeof(uint64_t))
    return fail(ErrorCode::kInvalidArgument, "--size {}: fewer bytes than can be read at once, 8", size);
  const uint64_t available_bytes = available_memory_bytes();
  if (available_bytes > 0 && size_bytes > available_bytes / 2) {
    return fail(ErrorCode::kOutOfBudget, "--size {}: more than half of the {} that are available", size,
                format_bytes(available_bytes));
  }
  SLUICE_ASSIGN(MappedMemory memory, MappedMemory::allocate(size_bytes));
  std::memset(memory.data(), 1, memory.size_bytes());
  return memory;
}

// bytes/s of each count of threads: medians, the counts in turn, so that a machine that drifts hits all
// alike.
std::vector<double> measure(const std::vector<size_t>& threads, size_t rounds, const MappedMemory& memory) {
  std::vector<std::vector<double>> rates(threads.size());
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < threads.size(); ++i) {
      ThreadPool pool(threads[i]);
      rates[i].push_back(memory_rate(pool, memory.bytes()));
    }
  }
  std::vector<double> medians;
  for (auto& of_count : rates) medians.push_back(median_of(std::move(of_count)));
  return medians;
}

std::string gigabytes(double bytes_per_second) {
  return fmt::format("{:.2f}", bytes_per_second / 1e9);
}

Result<ExitCode> run_bench_memory(const BenchMemoryOptions& options, Console& console) {
  const auto threads = options.threads.empty() ? doubling_up_to(usable_cores()) : options.threads;
  SLUICE_ASSIGN(const MappedMemory memory, touched_memory(options.size));
  const std::vector<double> rates = measure(threads, options.rounds, memory);
  nlohmann::ordered_json json{{"size_bytes", memory.size_bytes()},
                              {"rounds", options.rounds},
                              {"rows", nlohmann::ordered_json::array()}};
  Output silent = Output::none();
  Output& table = options.json ? silent : console.out;
  table.write(fmt::format("plain reading of {}\n", format_bytes(memory.size_bytes())));
  table.write(fmt::format(kLine, "threads", "GB/s", "per thread"));
  for (size_t i = 0; i < threads.size(); ++i) {
    table.write(fmt::format(kLine, threads[i], gigabytes(rates[i]),
                            gigabytes(rates[i] / static_cast<double>(threads[i]))));
    json["rows"].push_back({{"threads", threads[i]}, {"bytes_per_second", rates[i]}});
  }
  if (options.json) console.out.write(json_line(json));
  SLUICE_TRY(console.out.status());
  return ExitCode::kOk;
}

}  // namespace

Command add_bench_memory_command(CLI::App& bench) {
  auto options = std::make_shared<BenchMemoryOptions>();
  auto* command = bench.add_subcommand("memory", "what plain reading of memory brings");
  command->add_option("--threads", options->threads, "that read; default: 1, 2, 4 ... and all cores")
      ->delimiter(',')
      ->check(CLI::Range(size_t{1}, kMostThreads).description(""))
      ->type_name("N,...");
  command->add_option("--size", options->size, "of what is read, more than caches hold; default: 256MiB")
      ->type_name("SIZE");
  command->add_option("--rounds", options->rounds, "of which the median is taken; default: 5")
      ->check(CLI::Range(1, 1000).description(""))
      ->type_name("N");
  command->add_flag("--json", options->json, "one JSON object instead of the table");
  command->footer(
      "Example:\n  sluice bench memory --threads 1,2\n"
      "No arithmetic reads weights faster than this. The cost model of `bench decode` has the same measure.");
  return [options](Console& console) { return run_bench_memory(*options, console); };
}

}  // namespace sluice
