// A run whose text nobody reads: random ids in, random ids out, to see how fast that goes and why not faster.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "engine/part_times.h"
#include "engine/telemetry.h"
#include "engine/trace_routes.h"
#include "sluice/engine.h"

namespace sluice {

struct SpeedRunOptions {
  uint64_t held_tokens = 0;     // a context that was there before: random rows, which cost what real ones do
  uint64_t prompt_tokens = 16;  // >= 1
  uint64_t new_tokens = 0;      // 0: only the prompt. The first half of them is not counted: caches fill
  size_t sequences = 1;         // of that kind, each with other ids: prompts one by one, decoded together
  uint64_t seed = 1;            // of the ids
  const TraceRoutes* routes = nullptr;  // null: the model's own routers
  bool gathers_experts = false;         // Model::gather_experts
  std::function<void(uint64_t tokens_done, uint64_t tokens_total)> on_progress;  // may be empty
  std::stop_token cancel;
};

struct SpeedFigures {
  TelemetrySample sample;
  PartTimes::Times part_ns{};
  // What no part has: the output matrix, sampling.
  uint64_t rest_ns() const;
};

struct SpeedRun {
  SpeedFigures prefill;
  SpeedFigures decode;  // of the second half
};

// kOutOfBudget when the context does not hold all tokens, kInvalidArgument when several sequences shall
// follow one trace or are more than EngineOptions::parallel, kCancelled, and the errors of Model::extend. One
// at a time of an engine.
Result<SpeedRun> run_for_speed(Engine& engine, const SpeedRunOptions& options);

}  // namespace sluice
