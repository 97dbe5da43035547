#include "model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "model/opened_model_testing.h"
#include "model/synthetic_checkpoint_testing.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using namespace testing;

// A synthetic model, opened; its folder is gone once it is in memory.
struct SyntheticModel : OpenedModel {
  explicit SyntheticModel(const SyntheticOptions& options, size_t max_chunk_tokens = 16, size_t threads = 2) {
    const TempFolder folder;
    SyntheticCheckpoint(options).write(folder.path());
    const Status status = open_model(folder.path(), max_chunk_tokens, threads, *this);
    if (!status) ADD_FAILURE() << status.error().message;
  }
};

SequenceState new_state(const Model& model, uint64_t tokens) {
  auto state = SequenceState::create(model.state_shape(), tokens);
  EXPECT_TRUE(state.has_value());
  return std::move(*state);
}

std::vector<int32_t> ids_of(const Model& model, size_t count) {
  std::vector<int32_t> ids(count);
  for (size_t i = 0; i < count; ++i)
    ids[i] = static_cast<int32_t>((i * 2654435761U >> 7) % model.config().vocab_size);
  return ids;
}

// Streams of all ids, taken in by chunks of `size`.
std::vector<float> streams_of(Model& model, SequenceState& state, std::span<const int32_t> ids, size_t size) {
  std::vector<float> streams(ids.size() * model.streams_width());
  for (size_t begin = 0; begin < ids.size(); begin += size) {
    const Status status = model.extend(state, ids.subspan(begin, std::min(size, ids.size() - begin)),
                                       streams.data() + begin * model.streams_width());
    if (!status) ADD_FAILURE() << status.error().message;
  }
  return streams;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

TEST(Model, StreamsHaveTheSameBitsHoweverTokensAreCutAndComputed) {
  SyntheticOptions options;
  SyntheticModel whole(options, 40, 1);
  const auto ids = ids_of(*whole.model, 40);
  SequenceState whole_state = new_state(*whole.model, 40);
  const auto expected = streams_of(*whole.model, whole_state, ids, 40);
  EXPECT_TRUE(all_finite(expected));
  for (const size_t threads : {1U, 3U}) {
    SyntheticModel model(options, 16, threads);
    for (const size_t size : {1U, 5U, 16U}) {
      SequenceState state = new_state(*model.model, 40);
      EXPECT_TRUE(same_bits(streams_of(*model.model, state, ids, size), expected))
          << threads << " threads, " << size;
    }
  }
}

// Lists the router's experts the other way round.
class ReversingObserver : public ForwardObserver {
 public:
  bool revise_experts(uint32_t, uint64_t, std::span<const float> scores,
                      std::span<uint32_t> experts) override {
    EXPECT_GE(scores[experts.front()], scores[experts.back()]);
    std::ranges::reverse(experts);
    ++revised;
    return true;
  }
  void on_experts(uint32_t, uint64_t, std::span<const uint32_t> experts,
                  std::span<const float> weights) override {
    EXPECT_EQ(experts.size(), weights.size());
    if (weights.back() > weights.front()) ++ascending;
  }

  size_t revised = 0;
  size_t ascending = 0;  // the largest weight last
};

// Each expert keeps its weight, so that only the order of a sum changes.
TEST(Model, RevisedExpertsAreWeighedAnew) {
  SyntheticModel opened({});
  Model& model = *opened.model;
  const auto ids = ids_of(model, 12);
  SequenceState state = new_state(model, 12);
  const auto expected = streams_of(model, state, ids, 12);
  ReversingObserver observer;
  SequenceState revised_state = new_state(model, 12);
  std::vector<float> streams(expected.size());
  ASSERT_TRUE(model.extend(revised_state, ids, streams.data(), &observer).has_value());
  EXPECT_GT(observer.revised, 0U);
  EXPECT_GT(observer.ascending, 0U);
  EXPECT_FALSE(same_bits(streams, expected));
  for (size_t i = 0; i < streams.size(); ++i)
    ASSERT_NEAR(streams[i], expected[i], 1e-4 * (1 + std::abs(expected[i]))) << i;
}

TEST(Model, LogitsDoNotDependOnHowManyAreAskedForAtOnce) {
  SyntheticModel opened({});
  Model& model = *opened.model;
  const auto ids = ids_of(model, 16);
  SequenceState state = new_state(model, 16);
  const auto streams = streams_of(model, state, ids, 16);
  const size_t vocab = model.config().vocab_size;
  std::vector<float> together(16 * vocab), alone(16 * vocab);
  model.logits(streams.data(), 16, together.data());
  for (size_t t = 0; t < 16; ++t)
    model.logits(streams.data() + t * model.streams_width(), 1, alone.data() + t * vocab);
  EXPECT_TRUE(same_bits(together, alone));
}

TEST(Model, WhatCannotBeTakenInIsRefusedBeforeAnythingChanges) {
  SyntheticModel opened({});
  Model& model = *opened.model;
  const auto ids = ids_of(model, 20);
  SequenceState state = new_state(model, 20);
  std::vector<float> streams(20 * model.streams_width());
  ASSERT_TRUE(model.extend(state, std::span(ids).first(15), streams.data()).has_value());
  const auto vocab = static_cast<int32_t>(model.config().vocab_size);
  const auto refused = [&](const std::vector<int32_t>& chunk, ErrorCode code, const std::string& part) {
    const Status status = model.extend(state, chunk, streams.data());
    ASSERT_FALSE(status.has_value()) << part;
    EXPECT_EQ(status.error().code, code);
    EXPECT_THAT(status.error().message, HasSubstr(part));
    EXPECT_EQ(state.position(), 15U);
  };
  refused({}, ErrorCode::kInvalidArgument, "in 1 to 16 tokens, 0 were given");
  refused(ids_of(model, 17), ErrorCode::kInvalidArgument, "1 to 16 tokens, 17 were given");
  refused({3, vocab}, ErrorCode::kInvalidArgument, "token id 67 is outside the vocabulary of 67");
  refused({3, -1}, ErrorCode::kInvalidArgument, "token id -1");
  refused(ids_of(model, 6), ErrorCode::kOutOfBudget, "context of 20 tokens is full: 15 are taken, 6 more");

  // The sequence goes on as if nothing had been asked.
  std::vector<float> last(5 * model.streams_width());
  ASSERT_TRUE(model.extend(state, std::span(ids).subspan(15), last.data()).has_value());
  SequenceState undisturbed = new_state(model, 20);
  const auto expected = streams_of(model, undisturbed, ids, 10);
  EXPECT_TRUE(
      std::equal(last.begin(), last.end(), expected.end() - static_cast<std::ptrdiff_t>(last.size())));
  EXPECT_EQ(state.position(), 20U);
}

TEST(Model, SequencesKnowNothingOfEachOther) {
  SyntheticModel opened({});
  Model& model = *opened.model;
  const auto ids = ids_of(model, 24);
  SequenceState alone = new_state(model, 24);
  const auto expected = streams_of(model, alone, ids, 3);
  SequenceState one = new_state(model, 24);
  SequenceState other = new_state(model, 24);
  std::vector<float> streams(24 * model.streams_width()), rubbish(3 * model.streams_width());
  const std::vector<int32_t> others = {5, 1, 9};
  for (size_t begin = 0; begin < 24; begin += 3) {
    ASSERT_TRUE(
        model.extend(one, std::span(ids).subspan(begin, 3), streams.data() + begin * model.streams_width())
            .has_value());
    ASSERT_TRUE(model.extend(other, others, rubbish.data()).has_value());
  }
  EXPECT_TRUE(same_bits(streams, expected));
}

// Several sequences in one pass after the other; each takes in another number of ids at a time.
struct Companion {
  std::vector<int32_t> ids;
  size_t step = 1;
  std::optional<SequenceState> state{};
  std::vector<float> streams{};  // [ids, hc, D]
  std::span<const int32_t> next() const {
    const size_t done = state->position();
    return std::span(ids).subspan(done, std::min(step, ids.size() - done));
  }
};

// Passes until all ids are taken in; who has none left stays away from a pass.
void extend_together(Model& model, std::vector<Companion>& companions) {
  const size_t width = model.streams_width();
  std::vector<float> streams(model.max_chunk_tokens() * width);
  while (true) {
    std::vector<SequenceChunk> chunks;
    std::vector<Companion*> present;
    for (Companion& one : companions) {
      if (one.next().empty()) continue;
      chunks.push_back({&*one.state, one.next()});
      present.push_back(&one);
    }
    if (chunks.empty()) return;
    const auto results = model.extend(chunks, streams.data());
    ASSERT_TRUE(results.has_value()) << results.error().message;
    const float* row = streams.data();
    for (size_t i = 0; i < chunks.size(); ++i) {
      ASSERT_TRUE((*results)[i].has_value());
      present[i]->streams.insert(present[i]->streams.end(), row, row + chunks[i].ids.size() * width);
      row += chunks[i].ids.size() * width;
    }
  }
}

TEST(Model, ASequenceHasTheSameBitsWhoeverSharesItsPasses) {
  for (const size_t threads : {1U, 3U}) {
    SyntheticModel opened({}, 40, threads);
    Model& model = *opened.model;
    std::vector<Companion> companions;
    for (const auto& [tokens, step] :
         std::vector<std::pair<size_t, size_t>>{{20, 1}, {33, 1}, {7, 1}, {40, 9}, {25, 1}, {31, 4}}) {
      const auto ids = ids_of(model, 7 * companions.size() + tokens);
      companions.push_back({{ids.end() - static_cast<std::ptrdiff_t>(tokens), ids.end()}, step});
      companions.back().state = new_state(model, tokens);
    }
    extend_together(model, companions);
    for (const Companion& one : companions) {
      SequenceState alone = new_state(model, one.ids.size());
      EXPECT_TRUE(same_bits(one.streams, streams_of(model, alone, one.ids, 1)))
          << threads << " threads, a sequence of " << one.ids.size();
    }
  }
}

TEST(Model, APassIsRefusedAsAWholeBeforeAnythingChanges) {
  SyntheticModel opened({});
  Model& model = *opened.model;
  const auto ids = ids_of(model, 16);
  SequenceState one = new_state(model, 20);
  SequenceState other = new_state(model, 9);
  std::vector<float> streams(16 * model.streams_width());
  const auto refused = [&](const std::vector<SequenceChunk>& chunks, const std::string& part) {
    const auto results = model.extend(chunks, streams.data());
    ASSERT_FALSE(results.has_value()) << part;
    EXPECT_THAT(results.error().message, HasSubstr(part));
    EXPECT_EQ(one.position() + other.position(), 0U);
  };
  refused({}, "a pass takes in 1 to 16 tokens, 0 were given");
  refused({{&one, std::span(ids).first(9)}, {&other, std::span(ids).first(8)}}, "17 were given");
  refused({{&one, std::span(ids).first(1)}, {&other, std::span(ids).first(10)}},
          "context of 9 tokens is full");
  refused({{&one, std::span(ids).first(1)}, {&other, {}}}, "0 were given");
}

TEST(Model, AClearedSequenceGivesTheSameBitsAsANewOne) {
  SyntheticModel opened({});
  const auto ids = ids_of(*opened.model, 30);
  SequenceState state = new_state(*opened.model, 30);
  const auto expected = streams_of(*opened.model, state, ids, 7);
  state.clear();
  EXPECT_TRUE(same_bits(streams_of(*opened.model, state, ids, 7), expected));
}

// A table that names one expert for every rank makes more places than tokens: the workspace must still
// suffice.
TEST(Model, AHashTableMayNameAnExpertTwiceForOneToken) {
  SyntheticOptions options;
  options.experts_per_token = 6;
  options.hash_layers = 3;
  options.q_lora = 1;  // small attention, so that experts decide the size of the workspace
  options.o_lora = 1;
  options.inner = 256;
  const TempFolder folder;
  SyntheticCheckpoint checkpoint(options);
  for (int layer = 0; layer < 3; ++layer) {
    std::string& bytes = checkpoint.tensor(fmt::format("layers.{}.ffn.gate.tid2eid", layer)).bytes;
    std::fill(bytes.begin(), bytes.end(), '\0');
    for (size_t entry = 0; entry < bytes.size() / 8; ++entry) bytes[entry * 8] = 4;
  }
  checkpoint.write(folder.path());
  OpenedModel opened;
  ASSERT_TRUE(open_model(folder.path(), 24, 1, opened).has_value());
  const auto ids = ids_of(*opened.model, 24);
  SequenceState state = new_state(*opened.model, 24);
  const auto together = streams_of(*opened.model, state, ids, 24);
  state.clear();
  EXPECT_TRUE(all_finite(together));
  EXPECT_TRUE(same_bits(streams_of(*opened.model, state, ids, 1), together));
}

// The workspace stops the process when a pass takes more than was planned, so that passing through is the
// proof.
void run_largest_chunk(const std::filesystem::path& folder, size_t tokens) {
  OpenedModel opened;
  const Status status = open_model(folder, tokens, 2, opened);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  Model& model = *opened.model;
  const auto ids = ids_of(model, tokens);
  SequenceState state = new_state(model, tokens);
  const auto streams = streams_of(model, state, ids, tokens);
  EXPECT_TRUE(all_finite(streams));
  std::vector<float> logits(tokens * model.config().vocab_size);
  model.logits(streams.data(), tokens, logits.data());
  if (model.config().num_nextn_predict_layers == 0) return;
  auto mtp_state = SequenceState::create(model.mtp_state_shape(), tokens);
  ASSERT_TRUE(mtp_state.has_value());
  std::vector<float> mtp_streams(streams.size());
  ASSERT_TRUE(model.extend_mtp(*mtp_state, streams.data(), ids, mtp_streams.data()).has_value());
  model.mtp_logits(mtp_streams.data(), tokens, logits.data());
  EXPECT_TRUE(all_finite(logits));
}

TEST(ModelWorkspace, IsPlannedLargeEnoughForTheLargestChunk) {
  for (const size_t tokens : {1U, 3U, 160U}) {
    run_largest_chunk(SLUICE_SOURCE_DIR "/models/tiny-v4", tokens);
    run_largest_chunk(SLUICE_SOURCE_DIR "/tests/data/reference/variants/variant-bf16", tokens);
    run_largest_chunk(SLUICE_SOURCE_DIR "/tests/data/reference/variants/variant-pro", tokens);
  }
}

TEST(ModelWorkspace, IsPlannedLargeEnoughWhateverSizeDominates) {
  std::vector<SyntheticOptions> shapes(7);
  shapes[0].index_head_dim = 8192;  // wider than a head by far
  shapes[0].index_heads = 1;
  shapes[1].inner = 1024;
  shapes[2].experts = 200;
  shapes[3].hc = 16;
  shapes[4].q_lora = 700;
  shapes[5].o_lora = 900;
  shapes[6].head_dim = 512;
  for (SyntheticOptions& options : shapes) {
    options.ratios = {4};
    options.hash_layers = 0;
    options.mtp_layers = 1;
    const TempFolder folder;
    SyntheticCheckpoint(options).write(folder.path());
    run_largest_chunk(folder.path(), 1);
    run_largest_chunk(folder.path(), 9);
  }
}

TEST(ModelMtp, HasTheSameBitsHoweverTokensAreCut) {
  SyntheticOptions options;
  options.mtp_layers = 1;
  SyntheticModel opened(options);
  Model& model = *opened.model;
  const auto ids = ids_of(model, 17);
  const size_t width = model.streams_width();
  SequenceState state = new_state(model, 17);
  const auto streams = streams_of(model, state, ids, 8);
  auto mtp_state = SequenceState::create(model.mtp_state_shape(), 16);
  ASSERT_TRUE(mtp_state.has_value());
  const auto run = [&](size_t size) {
    mtp_state->clear();
    std::vector<float> mtp_streams(16 * width);
    for (size_t begin = 0; begin < 16; begin += size) {
      const size_t count = std::min(size, 16 - begin);
      const Status status =
          model.extend_mtp(*mtp_state, streams.data() + begin * width,
                           std::span(ids).subspan(begin + 1, count), mtp_streams.data() + begin * width);
      if (!status) ADD_FAILURE() << status.error().message;
    }
    return mtp_streams;
  };
  const auto whole = run(16);
  EXPECT_TRUE(all_finite(whole));
  EXPECT_TRUE(same_bits(run(1), whole));
  EXPECT_TRUE(same_bits(run(5), whole));
}

TEST(ModelMtp, RefusesWhatExtendRefuses) {
  SyntheticOptions options;
  options.mtp_layers = 1;
  SyntheticModel opened(options);
  Model& model = *opened.model;
  std::vector<float> streams(16 * model.streams_width());
  auto state = SequenceState::create(model.mtp_state_shape(), 2);
  ASSERT_TRUE(state.has_value());
  const auto code = [&](const std::vector<int32_t>& next_ids) {
    const Status status = model.extend_mtp(*state, streams.data(), next_ids, streams.data());
    return status ? ErrorCode::kInternal : status.error().code;
  };
  EXPECT_EQ(code({}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({67}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({1, 2, 3}), ErrorCode::kOutOfBudget);
  EXPECT_EQ(state->position(), 0U);
}

}  // namespace
}  // namespace sluice
