#include "engine/speed_run.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "base/fail.h"
#include "engine/loaded_model.h"
#include "engine/sampler.h"
#include "kv/sequence_state.h"

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

// Lets a model run as the options say for as long as this lives.
class Follows {
 public:
  Follows(Model& model, const SpeedRunOptions& options) : model_(model) {
    model_.follow(options.routes);
    model_.gather_experts(options.gathers_experts);
  }
  Follows(const Follows&) = delete;
  Follows& operator=(const Follows&) = delete;
  ~Follows() {
    model_.follow(nullptr);
    model_.gather_experts(false);
  }

 private:
  Model& model_;
};

// Sequences, taken in and gone on with.
class SpeedRunner {
 public:
  SpeedRunner(Engine& engine, const SpeedRunOptions& options)
      : loaded_(engine.loaded()),
        options_(options),
        follows_(*loaded_.model, options),
        watch_(engine),
        streams_(loaded_.sizes.pass_tokens() * loaded_.model->streams_width()),
        logits_(options.sequences * vocabulary()) {}

  Status start() {
    if (options_.sequences > 1 && options_.routes != nullptr)
      return fail(ErrorCode::kInvalidArgument,
                  "several sequences cannot follow one trace: all would route alike");
    if (options_.sequences > loaded_.sizes.parallel) {
      return fail(ErrorCode::kInvalidArgument, "{} sequences were asked for, {} were planned for",
                  options_.sequences, loaded_.sizes.parallel);
    }
    const uint64_t needed = options_.held_tokens + options_.prompt_tokens + options_.new_tokens;
    if (needed > loaded_.sizes.context_tokens) {
      return fail(ErrorCode::kOutOfBudget,
                  "{} tokens do not fit the context of {}: ask for a larger --context", needed,
                  loaded_.sizes.context_tokens);
    }
    for (size_t i = 0; i < options_.sequences; ++i) {
      SLUICE_ASSIGN(auto state,
                    SequenceState::create(loaded_.model->state_shape(), loaded_.sizes.context_tokens));
      state.pretend(options_.held_tokens, options_.seed + i);
      sequences_.push_back({std::move(state), Sampler({.seed = options_.seed + i})});
    }
    watch_.take(EnginePhase::kPrefill, 0);  // none of this counts
    return {};
  }

  // Afterwards logits are those of the prompts' last tokens.
  Result<SpeedFigures> take_in_prompts() {
    const size_t chunk_tokens = loaded_.sizes.chunk_tokens;
    const size_t layers = loaded_.model->config().num_hidden_layers;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      const auto ids =
          random_ids(options_.prompt_tokens, loaded_.model->config().vocab_size, options_.seed + i);
      size_t count = 0;
      for (size_t done = 0; done < ids.size(); done += count) {
        count = std::min(chunk_tokens, ids.size() - done);
        SequenceChunk chunk{&sequences_[i].state, std::span(ids).subspan(done, count), nullptr,
                            options_.cancel};
        chunk.on_layer = [&](size_t layers_done) { report(done_ + count * layers_done / layers); };
        SLUICE_TRY(extend({&chunk, 1}));
      }
      loaded_.model->logits(streams_.data() + (count - 1) * loaded_.model->streams_width(), 1,
                            logits_.data() + i * vocabulary());
    }
    return watch_.take(EnginePhase::kPrefill, sequences_.size() * options_.prompt_tokens);
  }

  Result<SpeedFigures> go_on() {
    const uint64_t uncounted = options_.new_tokens / 2;
    std::vector<int32_t> ids(sequences_.size());
    std::vector<SequenceChunk> chunks;
    for (size_t i = 0; i < sequences_.size(); ++i)
      chunks.push_back({&sequences_[i].state, {&ids[i], 1}, nullptr, options_.cancel});
    for (uint64_t step = 0; step < options_.new_tokens; ++step) {
      if (step == uncounted) watch_.take(EnginePhase::kDecode, uncounted * sequences_.size());
      for (size_t i = 0; i < sequences_.size(); ++i) {
        const auto logits = std::span(logits_).subspan(i * vocabulary(), vocabulary());
        SLUICE_ASSIGN(ids[i], sequences_[i].sampler.sample(logits));
      }
      SLUICE_TRY(extend(chunks));
      loaded_.model->logits(streams_.data(), sequences_.size(), logits_.data());
    }
    return watch_.take(EnginePhase::kDecode, (options_.new_tokens - uncounted) * sequences_.size());
  }

 private:
  struct Sequence {
    SequenceState state;
    Sampler sampler;
  };

  size_t vocabulary() const { return loaded_.model->config().vocab_size; }

  Status extend(std::span<const SequenceChunk> chunks) {
    if (options_.cancel.stop_requested()) return fail(ErrorCode::kCancelled, "measuring was cancelled");
    SLUICE_ASSIGN(const auto results, loaded_.model->extend(chunks, streams_.data(), &watch_.observer()));
    for (const Status& result : results) SLUICE_TRY(result);
    for (const SequenceChunk& chunk : chunks) done_ += chunk.ids.size();
    report(done_);
    return {};
  }

  void report(uint64_t tokens_done) {
    const uint64_t total = sequences_.size() * (options_.prompt_tokens + options_.new_tokens);
    if (!options_.on_progress || tokens_done <= reported_) return;
    reported_ = tokens_done;
    options_.on_progress(tokens_done, total);
  }

  LoadedModel& loaded_;
  const SpeedRunOptions& options_;
  const Follows follows_;
  Stopwatch watch_;
  std::vector<Sequence> sequences_;
  std::vector<float> streams_;  // [pass_tokens, hc, D]
  std::vector<float> logits_;   // [sequences, V]
  uint64_t done_ = 0;
  uint64_t reported_ = 0;
};

}  // namespace

uint64_t SpeedFigures::rest_ns() const {
  const uint64_t parts_ns = std::accumulate(part_ns.begin(), part_ns.end(), uint64_t{0});
  return sample.interval_ns - std::min(sample.interval_ns, parts_ns);
}

Result<SpeedRun> run_for_speed(Engine& engine, const SpeedRunOptions& options) {
  SpeedRunner runner(engine, options);
  SLUICE_TRY(runner.start());
  SpeedRun run;
  SLUICE_ASSIGN(run.prefill, runner.take_in_prompts());
  SLUICE_ASSIGN(run.decode, runner.go_on());
  return run;
}

}  // namespace sluice
