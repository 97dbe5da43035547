// For tests only: models opened in every way, and what they compute, to the bit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "storage/faulty_reader.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

inline const std::filesystem::path kTinyV4 = SLUICE_SOURCE_DIR "/models/tiny-v4";
inline const std::filesystem::path kTinyV4Reference = SLUICE_SOURCE_DIR "/tests/data/reference/tiny-v4";
inline const std::filesystem::path kVariants = SLUICE_SOURCE_DIR "/tests/data/reference/variants";

// Sanitizers take ten times as long and look for wrong accesses, of which more tokens and more cases of one
// kind have no others: tests take fewer then. That all of them have the right bits is what `release` shows.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline EngineOptions options_for(const std::filesystem::path& folder, StreamMode mode) {
  EngineOptions options;
  options.model_folder = folder;
  options.stream = mode;
  options.threads = 1;
  options.numerics = Numerics::kExact;  // whose bounds are narrow
  options.read_threads = 4;
  options.context_tokens = 1024;
  return options;
}

// A cache of exactly so many slots.
inline CacheSize cache_of(uint64_t slots, const MemoryPlan& plan) {
  return {slots * plan.slot_bytes, std::nullopt};
}

inline std::unique_ptr<LoadedModel> load(const EngineOptions& options, const ReaderWrapper& wrapper = {}) {
  auto loaded = LoadedModel::load(options, wrapper);
  if (!loaded) ADD_FAILURE() << loaded.error().message;
  return loaded ? std::move(*loaded) : nullptr;
}

// Puts a FaultyReader into a model that is being loaded, and says where it is.
class FaultInjector {
 public:
  explicit FaultInjector(const std::filesystem::path& folder) {
    auto checkpoint = Checkpoint::open(folder);
    if (!checkpoint) ADD_FAILURE() << checkpoint.error().message;
    for (const auto& path : checkpoint->files()) file_names_.push_back(path.string());
  }

  ReaderWrapper wrapper() {
    return [this](std::unique_ptr<Reader> inner) {
      auto faulty = std::make_unique<FaultyReader>(std::move(inner), file_names_);
      reader_ = faulty.get();
      if (on_reader) on_reader(*reader_);
      return faulty;
    };
  }

  FaultyReader& reader() { return *reader_; }
  void vanish_files() {
    for (uint32_t file = 0; file < file_names_.size(); ++file) reader_->vanish_file(file);
  }
  void restore_files() {
    for (uint32_t file = 0; file < file_names_.size(); ++file) reader_->restore_file(file);
  }

  std::function<void(FaultyReader&)> on_reader;  // before anything is read

 private:
  std::vector<std::string> file_names_;
  FaultyReader* reader_ = nullptr;
};

// Ids that look like nothing, the same every time.
inline std::vector<int32_t> some_prompt(size_t tokens, uint32_t vocab) {
  std::vector<int32_t> ids(tokens);
  for (size_t i = 0; i < tokens; ++i) ids[i] = static_cast<int32_t>((i * 2654435761U >> 9) % vocab);
  return ids;
}

// What a model makes of a prompt: the logits after each of its tokens and after each greedy one, and those.
struct GreedyRun {
  std::vector<float> logits;  // [prompt + new tokens, V]
  std::vector<int32_t> ids;   // new tokens
};

inline GreedyRun run_greedily(LoadedModel& loaded, std::span<const int32_t> prompt, size_t chunk_tokens,
                              size_t new_tokens) {
  Model& model = *loaded.model;
  const size_t vocab = model.config().vocab_size;
  GreedyRun run;
  run.logits.resize((prompt.size() + new_tokens) * vocab);
  std::vector<float> streams(chunk_tokens * model.streams_width());
  auto state = SequenceState::create(model.state_shape(), prompt.size() + new_tokens);
  EXPECT_TRUE(state.has_value());
  const auto take_in = [&](std::span<const int32_t> ids) {
    float* logits = run.logits.data() + state->position() * vocab;
    const Status status = model.extend(*state, ids, streams.data());
    if (!status) ADD_FAILURE() << status.error().message;
    model.logits(streams.data(), ids.size(), logits);
  };
  for (size_t begin = 0; begin < prompt.size(); begin += chunk_tokens) {
    take_in(prompt.subspan(begin, std::min(chunk_tokens, prompt.size() - begin)));
  }
  for (size_t step = 0; step < new_tokens; ++step) {
    const auto last = std::span(run.logits).subspan((state->position() - 1) * vocab, vocab);
    run.ids.push_back(static_cast<int32_t>(std::max_element(last.begin(), last.end()) - last.begin()));
    take_in({&run.ids.back(), 1});
  }
  return run;
}

inline void expect_same_bits(const GreedyRun& found, const GreedyRun& expected, const std::string& what) {
  EXPECT_EQ(found.ids, expected.ids) << what;
  ASSERT_EQ(found.logits.size(), expected.logits.size()) << what;
  EXPECT_EQ(std::memcmp(found.logits.data(), expected.logits.data(), found.logits.size() * sizeof(float)), 0)
      << what;
}

inline bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace sluice::testing
