#include "server/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "text/tokenizer.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

class SchedulerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    EngineOptions options;
    options.model_folder = SLUICE_SOURCE_DIR "/models/tiny-v4";
    options.stream = StreamMode::kResident;
    options.context_tokens = 100000;
    options.threads = 1;
    options.sessions = 4;
    options.parallel = 4;
    auto engine = Engine::open(options);
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    engine_ = std::move(*engine);
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::vector<int32_t> ids(const std::string& text) { return engine_->tokenize_prompt(text).value(); }

  // Greedy, unless it shall babble without end.
  static AnswerRequest request(uint64_t max_tokens) {
    AnswerRequest made;
    made.max_tokens = max_tokens;
    made.sampling.temperature = max_tokens == 0 ? 100 : 0;
    made.sampling.seed = 1;
    return made;
  }

  static void wait_for_news(const Answer& answer) {
    pollfd waiting{answer.descriptor(), POLLIN, 0};
    ASSERT_EQ(poll(&waiting, 1, -1), 1);
  }

  // Everything that comes until the end.
  static AnswerNews read(Answer& answer) {
    AnswerNews all;
    while (!all.end) {
      wait_for_news(answer);
      AnswerNews news = answer.take();
      all.parts.insert(all.parts.end(), news.parts.begin(), news.parts.end());
      all.logprobs.insert(all.logprobs.end(), news.logprobs.begin(), news.logprobs.end());
      all.end = std::move(news.end);
    }
    return all;
  }

  static inline std::unique_ptr<Engine> engine_;
  Metrics metrics_;
};

TEST_F(SchedulerTest, AnswersInTheOrderOfArrival) {
  Scheduler scheduler(*engine_, {.waiting = 8, .sessions = 2}, metrics_);
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 5; ++i) answers.push_back(scheduler.submit(request(4), ids("Once upon a time")));
  const AnswerNews last = read(*answers.back());
  ASSERT_TRUE(last.end->has_value());
  EXPECT_EQ((*last.end)->new_tokens, 4U);
  for (size_t i = 0; i + 1 < answers.size(); ++i) EXPECT_TRUE(answers[i]->take().end.has_value()) << i;
}

// Each is sampled with a seed of its own; prompts of different lengths join while others are under way.
TEST_F(SchedulerTest, AnAnswerIsTheSameWhateverRunsBesideIt) {
  const std::vector<std::string> prompts{
      "Once upon a time", "A fox", "The sky was full of stars and Ned saw", "Once", "Mia the cat", "One day"};
  const auto asked = [&](size_t i) {
    AnswerRequest made = request(6 + 5 * i);
    made.sampling.temperature = 1;
    made.sampling.seed = i;
    made.ignore_end = true;
    return made;
  };
  const auto text = [](const AnswerNews& news) {
    std::string joined;
    for (const AnswerPart& part : news.parts) joined += part.text;
    return joined;
  };
  std::vector<std::string> alone;
  {
    Scheduler scheduler(*engine_, {.waiting = 8, .sessions = 1}, metrics_);
    for (size_t i = 0; i < prompts.size(); ++i)
      alone.push_back(text(read(*scheduler.submit(asked(i), ids(prompts[i])))));
  }
  Scheduler scheduler(*engine_, {.waiting = 8, .sessions = 4, .parallel = 4}, metrics_);
  std::vector<std::shared_ptr<Answer>> answers;
  for (size_t i = 0; i < prompts.size(); ++i) answers.push_back(scheduler.submit(asked(i), ids(prompts[i])));
  for (size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(text(read(*answers[i])), alone[i]) << i;
}

TEST_F(SchedulerTest, SeveralAreAnsweredAtOnceAndOneThatEndsMakesRoom) {
  Scheduler scheduler(*engine_, {.waiting = 2, .sessions = 3, .parallel = 3}, metrics_);
  std::vector<std::shared_ptr<Answer>> endless;
  for (int i = 0; i < 3; ++i) {
    endless.push_back(scheduler.submit(request(0), ids("Once")));
    wait_for_news(*endless.back());
  }
  EXPECT_EQ(scheduler.load().running, 3U);
  const auto fourth = scheduler.submit(request(3), ids("Once upon"));
  EXPECT_EQ(scheduler.load().waiting, 1U);
  scheduler.cancel(endless[1]);
  EXPECT_EQ((*read(*fourth).end)->new_tokens, 3U);
  EXPECT_EQ(read(*endless[1]).end->error().code, ErrorCode::kCancelled);
  for (const size_t i : {0U, 2U}) {  // they go on
    wait_for_news(*endless[i]);
    EXPECT_FALSE(endless[i]->take().end.has_value());
  }
}

TEST_F(SchedulerTest, AFullQueueTakesNothingUntilSomeoneLeaves) {
  Scheduler scheduler(*engine_, {.waiting = 2, .sessions = 1}, metrics_);
  const auto running = scheduler.submit(request(0), ids("Once"));
  wait_for_news(*running);
  const auto first = scheduler.submit(request(1), ids("Once"));
  const auto second = scheduler.submit(request(1), ids("Once"));
  EXPECT_EQ(scheduler.submit(request(1), ids("Once")), nullptr);
  EXPECT_EQ(scheduler.load().running, 1U);
  EXPECT_EQ(scheduler.load().waiting, 2U);
  EXPECT_GE(scheduler.retry_after_seconds(), 1U);
  scheduler.cancel(first);
  EXPECT_EQ(scheduler.load().waiting, 1U);
  const auto third = scheduler.submit(request(1), ids("Once"));
  ASSERT_NE(third, nullptr);
  scheduler.cancel(running);
  EXPECT_EQ(read(*running).end->error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(read(*second).end->has_value());
  EXPECT_TRUE(read(*third).end->has_value());
}

TEST_F(SchedulerTest, EndingCancelsEverything) {
  std::shared_ptr<Answer> running, waiting;
  {
    Scheduler scheduler(*engine_, {.waiting = 2, .sessions = 1}, metrics_);
    running = scheduler.submit(request(0), ids("Once"));
    wait_for_news(*running);
    waiting = scheduler.submit(request(0), ids("Once"));
  }
  EXPECT_EQ(read(*running).end->error().code, ErrorCode::kCancelled);
  EXPECT_EQ(read(*waiting).end->error().code, ErrorCode::kCancelled);
}

TEST_F(SchedulerTest, ARequestThatIsRefusedSpoilsNothing) {
  Scheduler scheduler(*engine_, {.waiting = 2, .sessions = 1}, metrics_);
  const auto refused = scheduler.submit(request(1), {5000000});
  EXPECT_THAT(read(*refused).end->error().message, HasSubstr("5000000"));
  EXPECT_TRUE(read(*scheduler.submit(request(1), ids("Once"))).end->has_value());
  EXPECT_THAT(metrics_.text({}),
              HasSubstr("sluice_generation_errors_total{reason=\"invalid_argument\"} 1\n"));
}

TEST_F(SchedulerTest, LogprobsAreALogarithmOfSoftmax) {
  Scheduler scheduler(*engine_, {.waiting = 2, .sessions = 1}, metrics_);
  AnswerRequest wanted = request(3);
  wanted.top_logprobs = 2048;  // the whole vocabulary
  const auto answer = scheduler.submit(wanted, ids("Once"));
  const AnswerNews news = read(*answer);
  ASSERT_EQ(news.logprobs.size(), 3U);
  for (const TokenLogprobs& each : news.logprobs) {
    double total = 0;
    for (const auto& candidate : each.top) total += std::exp(candidate.logprob);
    EXPECT_NEAR(total, 1, 1e-9);
    EXPECT_EQ(each.chosen.id, each.top[0].id);  // greedy
  }
}

}  // namespace
}  // namespace sluice
