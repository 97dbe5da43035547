#include "cli/json_output.h"

#include <nlohmann/json.hpp>

namespace sluice {

using nlohmann::ordered_json;

ordered_json to_json(const StreamCounters& counters) {
  return {{"hits", counters.hits},
          {"misses", counters.misses},
          {"reads", counters.reads},
          {"read_bytes", counters.read_bytes},
          {"failed_reads", counters.failed_reads},
          {"evictions", counters.evictions},
          {"wait_ns", counters.wait_ns},
          {"prefetched_bytes", counters.prefetched_bytes},
          {"prefetch_useful_bytes", counters.prefetch_useful_bytes},
          {"prefetch_wasted_bytes", counters.prefetch_wasted_bytes},
          {"read_busy_ns", counters.read_busy_ns},
          {"read_flight_ns", counters.read_flight_ns}};
}

ordered_json to_json(const GenerationStats& stats) {
  return {{"prompt_tokens", stats.prompt_tokens}, {"reused_tokens", stats.reused_tokens},
          {"new_tokens", stats.new_tokens},       {"prefill_ns", stats.prefill_ns},
          {"decode_ns", stats.decode_ns},         {"prefill", to_json(stats.prefill)},
          {"decode", to_json(stats.decode)}};
}

ordered_json to_json(const MemoryPlan& plan) {
  return {{"available_bytes", plan.available_bytes},
          {"dense_bytes", plan.dense_bytes},
          {"kv_bytes", plan.kv_bytes},
          {"workspace_bytes", plan.workspace_bytes},
          {"program_bytes", plan.program_bytes},
          {"slot_bytes", plan.slot_bytes},
          {"slots", plan.slots},
          {"experts", plan.experts},
          {"experts_bytes", plan.experts_bytes},
          {"total_bytes", plan.total_bytes()}};
}

ordered_json to_json(const SamplingOptions& sampling) {
  return {{"temperature", sampling.temperature},
          {"top_k", sampling.top_k},
          {"top_p", sampling.top_p},
          {"min_p", sampling.min_p},
          {"seed", sampling.seed}};
}

std::string json_line(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sluice
