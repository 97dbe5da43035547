// A state that was kept, in memory or on disk, goes on as the one that was computed anew: to the bit.
#include <gtest/gtest.h>

#include <fstream>

#include "checkpoint/safetensors_testing.h"
#include "engine/engine_on_model.h"
#include "engine/session_snapshot.h"
#include "engine_runs.h"

namespace sluice {
namespace {

using namespace testing;

constexpr size_t kAnswerTokens = 24;
// Around the ends of tiny-v4's window of 64 and of blocks of 4 and of 128: a snapshot has one token less.
constexpr size_t kEveryPromptTokens[] = {65, 129, 131, 258};
constexpr auto kPromptSizesTokens =
    std::span(kEveryPromptTokens).subspan(kSanitized ? 2 : 0, kSanitized ? 1 : 4);

EngineOptions keeping_options(StreamMode mode, Numerics numerics = Numerics::kExact) {
  EngineOptions options = options_for(kTinyV4, mode);
  options.chunk_tokens = 50;
  options.keep_prompts = true;
  options.numerics = numerics;
  options.row_format = numerics == Numerics::kFast ? RowFormat::kF16 : RowFormat::kF32;
  return options;
}

struct Answer {
  std::vector<int32_t> ids;
  std::vector<float> logits;  // [new tokens, V]
  uint64_t reused_tokens = 0;
};

Answer answer(Session& session, std::span<const int32_t> prompt, uint64_t new_tokens = kAnswerTokens) {
  Answer made;
  GenerationRequest request;
  request.context_ids.assign(prompt.begin(), prompt.end());
  request.max_new_tokens = new_tokens;
  request.sampling.temperature = 0;
  request.stop_at_end_of_text = false;
  request.on_logits = [&](std::span<const float> logits) {
    made.logits.insert(made.logits.end(), logits.begin(), logits.end());
  };
  auto result = session.generate(request);
  if (!result) ADD_FAILURE() << result.error().message;
  if (result) made.ids = result->ids;
  if (result) made.reused_tokens = result->stats.reused_tokens;
  return made;
}

void expect_same(const Answer& found, const Answer& expected, const std::string& what) {
  EXPECT_EQ(found.ids, expected.ids) << what;
  ASSERT_EQ(found.logits.size(), expected.logits.size()) << what;
  const size_t bytes = found.logits.size() * sizeof(float);
  EXPECT_EQ(std::memcmp(found.logits.data(), expected.logits.data(), bytes), 0) << what;
}

std::unique_ptr<Engine> open(const EngineOptions& options) {
  auto engine = engine_on_model(load(options));
  if (!engine) ADD_FAILURE() << engine.error().message;
  return engine ? std::move(*engine) : nullptr;
}

Session new_session(Engine& engine) {
  return std::move(engine.new_session().value());
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Snapshots : public ::testing::TestWithParam<Numerics> {
 protected:
  std::string saved(const Session& session) const {
    EXPECT_TRUE(session.save(folder_.path() / "compared"));
    return bytes_of(folder_.path() / "compared");
  }
  const TempFolder folder_;
};

TEST_P(Snapshots, OfAPromptGoOnInAnotherEngineToTheBit) {
  EngineOptions plain = keeping_options(StreamMode::kResident, GetParam());
  plain.keep_prompts = false;
  const auto anew = open(plain);
  const auto writing = open(keeping_options(StreamMode::kResident, GetParam()));
  const auto reading = open(keeping_options(StreamMode::kMmap, GetParam()));
  ASSERT_TRUE(anew && writing && reading);
  for (const size_t tokens : kPromptSizesTokens) {
    const std::string what = std::to_string(tokens) + " tokens";
    const auto prompt = some_prompt(tokens, 2048);
    Session fresh = new_session(*anew);
    const Answer expected = answer(fresh, prompt);
    const std::string expected_state = saved(fresh);

    Session session = new_session(*writing);
    expect_same(answer(session, prompt), expected, what + ", with a mark at the prompt's end");
    EXPECT_EQ(saved(session), expected_state) << what;
    const auto snapshot = SessionSnapshot::of_prompt(session);
    ASSERT_TRUE(snapshot) << what;
    const auto path = folder_.path() / "prompt";
    ASSERT_TRUE(snapshot->write(path));
    EXPECT_EQ(std::filesystem::file_size(path), snapshot->file_bytes());

    Session other = new_session(*reading);
    answer(other, some_prompt(tokens + 75, 99), 1);  // of something longer
    ASSERT_TRUE(other.restore(path));
    const Answer resumed = answer(other, prompt);
    EXPECT_EQ(resumed.reused_tokens, tokens - 1);
    expect_same(resumed, expected, what + ", from disk");
    EXPECT_EQ(saved(other), expected_state) << what;
  }
}

TEST_P(Snapshots, AreTheSameWheneverTheyAreWritten) {
  const auto engine = open(keeping_options(StreamMode::kResident, GetParam()));
  ASSERT_TRUE(engine);
  Session session = new_session(*engine);
  const auto prompt = some_prompt(258, 2048);
  answer(session, prompt, 1);
  const auto snapshot = SessionSnapshot::of_prompt(session);
  ASSERT_TRUE(snapshot && snapshot->write(folder_.path() / "early"));
  // The same generation may go on, over the next block's end, before the bytes are written.
  const auto rest = answer(session, prompt, 1).ids;
  auto longer = prompt;
  longer.insert(longer.end(), rest.begin(), rest.end());
  longer.push_back(5);
  EXPECT_EQ(answer(session, longer, 140).reused_tokens, prompt.size());
  ASSERT_TRUE(SessionSnapshot::of_prompt(session)->write(folder_.path() / "late"));
  EXPECT_EQ(bytes_of(folder_.path() / "early"), bytes_of(folder_.path() / "late"));
}

TEST_P(Snapshots, InMemoryAnAnswerIsTriedAgainToTheBit) {
  const auto engine = open(keeping_options(StreamMode::kResident, GetParam()));
  ASSERT_TRUE(engine);
  for (const size_t tokens : kPromptSizesTokens) {
    const auto prompt = some_prompt(tokens, 2048);
    Session session = new_session(*engine);
    const Answer expected = answer(session, prompt, 130);  // the window is another one, blocks have closed
    const std::string state = saved(session);
    const Answer again = answer(session, prompt, 130);
    EXPECT_EQ(again.reused_tokens, tokens - 1);
    expect_same(again, expected, std::to_string(tokens) + " tokens");
    EXPECT_EQ(saved(session), state) << tokens;
  }
}

TEST_P(Snapshots, ACopyInMemoryGoesOnToTheBitAndLeavesTheOtherAlone) {
  const auto engine = open(keeping_options(StreamMode::kResident, GetParam()));
  ASSERT_TRUE(engine);
  const auto prompt = some_prompt(258, 2048);
  Session session = new_session(*engine);
  const Answer expected = answer(session, prompt);
  const std::string state = saved(session);
  Session copy = new_session(*engine);
  answer(copy, some_prompt(333, 99), 1);
  SessionSnapshot::fork(session, copy);
  const Answer found = answer(copy, prompt);
  EXPECT_EQ(found.reused_tokens, prompt.size() - 1);
  expect_same(found, expected, "the copy");
  EXPECT_EQ(saved(copy), state);
  EXPECT_EQ(saved(session), state);
}

INSTANTIATE_TEST_SUITE_P(InBothNumerics, Snapshots, ::testing::Values(Numerics::kExact, Numerics::kFast),
                         [](const auto& each) { return numerics_name(each.param); });

}  // namespace
}  // namespace sluice
