#include "engine/speed_run.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "base/fail.h"
#include "engine/loaded_model.h"

namespace sluice {
namespace {

std::vector<int32_t> random_ids(uint64_t count, uint32_t vocabulary, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % vocabulary);
  return ids;
}

// Cuts a run into stretches.
class Stopwatch {
 public:
  explicit Stopwatch(const Engine& engine) : engine_(engine), meter_(engine.counters()) {}

  PartTimes& observer() { return times_; }

  // Since the last call.
  SpeedFigures take(EnginePhase phase, uint64_t tokens) {
    SpeedFigures figures{meter_.take(phase, tokens, engine_.counters()), times_.times_ns()};
    for (size_t part = 0; part < kPassParts; ++part) figures.part_ns[part] -= taken_[part];
    taken_ = times_.times_ns();
    return figures;
  }

 private:
  const Engine& engine_;
  TelemetryMeter meter_;
  PartTimes times_;
  PartTimes::Times taken_{};
};

// Lets a model follow a script for as long as this lives.
class Follows {
 public:
  Follows(Model& model, const RouteScript* script) : model_(model) { model_.follow(script); }
  Follows(const Follows&) = delete;
  Follows& operator=(const Follows&) = delete;
  ~Follows() { model_.follow(nullptr); }

 private:
  Model& model_;
};

}  // namespace

uint64_t SpeedFigures::rest_ns() const {
  const uint64_t parts_ns = std::accumulate(part_ns.begin(), part_ns.end(), uint64_t{0});
  return sample.interval_ns - std::min(sample.interval_ns, parts_ns);
}

Result<SpeedRun> run_for_speed(Engine& engine, const SpeedRunOptions& options) {
  SLUICE_ASSIGN(Session session, engine.new_session());
  Model& model = *engine.loaded().model;
  const Follows follows(model, options.routes);
  Stopwatch watch(engine);
  SpeedRun run;
  GenerationRequest request;
  request.context_ids = random_ids(options.prompt_tokens, model.config().vocab_size, options.seed);
  request.max_new_tokens = std::max<uint64_t>(1, options.new_tokens);
  request.stop_at_end_of_text = false;
  request.sampling.seed = options.seed;
  request.cancel = options.cancel;
  request.observer = &watch.observer();
  const uint64_t total = options.prompt_tokens + options.new_tokens;
  request.on_prefill = [&](uint64_t done, uint64_t /*total*/) {
    if (options.on_progress) options.on_progress(done, total);
  };
  // The first new token comes from the prompt's own pass.
  const uint64_t half = options.new_tokens / 2;
  request.on_token = [&, seen = uint64_t{0}](int32_t /*id*/) mutable {
    if (seen == 0) run.prefill = watch.take(EnginePhase::kPrefill, options.prompt_tokens);
    if (seen == half && half > 0) watch.take(EnginePhase::kDecode, half);
    ++seen;
    if (options.on_progress) options.on_progress(options.prompt_tokens + seen, total);
    return true;
  };
  SLUICE_ASSIGN(const GenerationResult result, session.generate(request));
  if (result.finish == FinishReason::kCancelled)
    return fail(ErrorCode::kCancelled, "measuring was cancelled");
  if (result.finish == FinishReason::kContextFull) {
    return fail(ErrorCode::kOutOfBudget, "{} tokens do not fit the context of {}: ask for a larger --context",
                total, session.context_tokens());
  }
  run.decode = watch.take(EnginePhase::kDecode, result.ids.size() - 1 - half);
  return run;
}

}  // namespace sluice
