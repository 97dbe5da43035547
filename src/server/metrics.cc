#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace sluice {
namespace {

void write_head(const std::string& name, const char* type, const char* help, std::string& text) {
  text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class Value>
void write_one(const std::string& name, const char* type, const char* help, Value value, std::string& text) {
  write_head(name, type, help, text);
  text += fmt::format("{} {}\n", name, value);
}

double seconds_of(uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) * 1e-9;
}

void write_streaming(const StreamCounters& counters, std::string& text) {
  const auto counter = [&](const char* name, const char* help, auto value) {
    write_one(name, "counter", help, value, text);
  };
  counter("sluice_expert_hits_total", "Requested experts that were in memory.", counters.hits);
  counter("sluice_expert_misses_total", "Requested experts that had to be read, or were being read.",
          counters.misses);
  counter("sluice_expert_evictions_total", "Experts dropped to make room.", counters.evictions);
  counter("sluice_expert_wait_seconds_total", "Time that computing waited for experts.",
          seconds_of(counters.wait_ns));
  counter("sluice_disk_reads_total", "Read operations that brought their bytes.", counters.reads);
  counter("sluice_disk_read_bytes_total", "Bytes that reads moved, alignment included.", counters.read_bytes);
  counter("sluice_disk_failed_reads_total", "Read operations that ended in an error.", counters.failed_reads);
  counter("sluice_disk_busy_seconds_total", "Time with at least one read in flight.",
          seconds_of(counters.read_busy_ns));
  counter("sluice_disk_flight_seconds_total",
          "Time in flight, summed over reads: by the time busy, the queue depth.",
          seconds_of(counters.read_flight_ns));
  counter("sluice_prefetch_bytes_total", "Bytes of experts read before they were asked for.",
          counters.prefetched_bytes);
  counter("sluice_prefetch_useful_bytes_total", "Of these, of experts that were asked for later.",
          counters.prefetch_useful_bytes);
  counter("sluice_prefetch_wasted_bytes_total", "Of these, of experts that were dropped unused.",
          counters.prefetch_wasted_bytes);
}

void write_plan(const MemoryPlan& plan, std::string& text) {
  write_head("sluice_memory_plan_bytes", "gauge", "Where the memory plan puts memory.", text);
  const std::pair<const char*, uint64_t> parts[] = {{"dense", plan.dense_bytes},
                                                    {"context", plan.kv_bytes},
                                                    {"workspace", plan.workspace_bytes},
                                                    {"program", plan.program_bytes},
                                                    {"experts", plan.experts_bytes}};
  for (const auto& [part, bytes] : parts)
    text += fmt::format("sluice_memory_plan_bytes{{part=\"{}\"}} {}\n", part, bytes);
  write_one("sluice_expert_slots", "gauge", "Experts that fit in memory; 0: the page cache decides.",
            plan.slots, text);
}

void write_snapshots(const SnapshotFigures& figures, std::string& text) {
  const auto counter = [&](const char* name, const char* help, auto value) {
    write_one(name, "counter", help, value, text);
  };
  counter("sluice_snapshots_written_total", "Prompts' snapshots written to disk.", figures.written);
  counter("sluice_snapshot_written_bytes_total", "Bytes of these.", figures.written_bytes);
  counter("sluice_snapshot_write_seconds_total", "Time until the disk had them, off the engine's thread.",
          seconds_of(figures.write_ns));
  counter("sluice_snapshot_failed_writes_total", "Snapshots that could not be written, or had no room.",
          figures.failed_writes);
  counter("sluice_snapshots_read_total", "Snapshots that prompts went on from.", figures.read);
  counter("sluice_snapshot_read_bytes_total", "Bytes of these.", figures.read_bytes);
  counter("sluice_snapshot_read_seconds_total", "Time that reading them took.", seconds_of(figures.read_ns));
  counter("sluice_snapshot_read_tokens_total", "Tokens of prompts that they held.", figures.read_tokens);
  counter("sluice_snapshots_ignored_total", "Snapshots that were damaged or of something else.",
          figures.ignored);
  counter("sluice_snapshots_dropped_total", "Snapshots deleted to make room.", figures.dropped);
  write_one("sluice_snapshot_disk_bytes", "gauge", "What snapshots take of the disk.", figures.held_bytes,
            text);
}

}  // namespace

void Histogram::observe(double seconds) {
  const auto bucket = std::ranges::lower_bound(kBounds, seconds) - kBounds.begin();
  ++counts_[static_cast<size_t>(bucket)];
  sum_ += seconds;
}

void Histogram::write(const std::string& name, std::string& text) const {
  uint64_t count = 0;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    count += counts_[i];
    text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, kBounds[i], count);
  }
  count += counts_.back();
  text += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name, count, name, sum_, name,
                      count);
}

void Metrics::count_request(const std::string& endpoint, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{endpoint, status}];
}

void Metrics::count_error(ErrorCode code) {
  const std::lock_guard lock(mutex_);
  ++errors_[code];
}

void Metrics::count_pass(const StepFigures& figures) {
  const std::lock_guard lock(mutex_);
  if (figures.sequences > 0) ++passes_;
  pass_tokens_ += figures.tokens;
  batch_sequences_ = figures.sequences;
}

void Metrics::count_tokens(uint64_t prompt, uint64_t reused, uint64_t generated) {
  const std::lock_guard lock(mutex_);
  prompt_tokens_ += prompt;
  reused_tokens_ += reused;
  generated_tokens_ += generated;
}

uint64_t Metrics::generated_tokens() const {
  const std::lock_guard lock(mutex_);
  return generated_tokens_;
}

void Metrics::observe_queue_wait(double seconds) {
  const std::lock_guard lock(mutex_);
  queue_wait_.observe(seconds);
}
void Metrics::observe_first_token(double seconds) {
  const std::lock_guard lock(mutex_);
  first_token_.observe(seconds);
}
void Metrics::observe_token_time(double seconds) {
  const std::lock_guard lock(mutex_);
  token_time_.observe(seconds);
}
void Metrics::observe_answer(double seconds) {
  const std::lock_guard lock(mutex_);
  answer_.observe(seconds);
}

std::string Metrics::text(const Now& now) const {
  std::string text;
  const std::lock_guard lock(mutex_);
  write_head("sluice_http_requests_total", "counter", "HTTP requests answered.", text);
  for (const auto& [key, count] : requests_) {
    text += fmt::format("sluice_http_requests_total{{endpoint=\"{}\",status=\"{}\"}} {}\n", key.first,
                        key.second, count);
  }
  write_head("sluice_generation_errors_total", "counter",
             "Generations that did not end as they should, by reason.", text);
  for (const auto& [code, count] : errors_) {
    text += fmt::format("sluice_generation_errors_total{{reason=\"{}\"}} {}\n", error_code_name(code), count);
  }
  write_one("sluice_prompt_tokens_total", "counter", "Tokens of prompts.", prompt_tokens_, text);
  write_one("sluice_prompt_reused_tokens_total", "counter", "Of these, kept from earlier requests.",
            reused_tokens_, text);
  write_one("sluice_generated_tokens_total", "counter", "Tokens generated.", generated_tokens_, text);
  write_one("sluice_passes_total", "counter", "Passes over the layers.", passes_, text);
  write_one("sluice_pass_tokens_total", "counter", "Tokens that passes took in.", pass_tokens_, text);
  write_one("sluice_batch_sequences", "gauge", "Sequences that share a pass now.", batch_sequences_, text);
  write_one("sluice_requests_running", "gauge", "Requests that are being answered.", now.running, text);
  write_one("sluice_requests_waiting", "gauge", "Requests in the queue.", now.waiting, text);
  const auto histogram = [&](const char* name, const char* help, const Histogram& values) {
    write_head(name, "histogram", help, text);
    values.write(name, text);
  };
  histogram("sluice_queue_wait_seconds", "Time a request waited for the engine.", queue_wait_);
  histogram("sluice_time_to_first_token_seconds", "From a request to its first token.", first_token_);
  histogram("sluice_time_per_output_token_seconds", "Mean time between tokens of an answer.", token_time_);
  histogram("sluice_answer_duration_seconds", "From a request to the end of its answer.", answer_);
  write_streaming(now.counters, text);
  write_snapshots(now.snapshots, text);
  write_plan(now.plan, text);
  return text;
}

}  // namespace sluice
