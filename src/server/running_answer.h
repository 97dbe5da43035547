// An answer in the making: from a request to a generation, and from its tokens to the answer's parts.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "server/answer.h"
#include "server/answer_request.h"
#include "server/metrics.h"
#include "sluice/engine.h"

namespace sluice {

// A request that waits for its turn.
struct Job {
  std::shared_ptr<Answer> answer;
  AnswerRequest request;
  std::vector<int32_t> context_ids;
  std::chrono::steady_clock::time_point submitted;
  uint64_t mark_tokens = 0;  // GenerationRequest's
};

// Used by the thread that runs the engine; its answer is read by another.
class RunningAnswer {
 public:
  using Clock = std::chrono::steady_clock;

  // `session`, which must outlive this object, is its own until then. Null when the request was refused: the
  // answer has then ended with the error.
  static std::unique_ptr<RunningAnswer> begin(Engine& engine, Session& session, Job job, Metrics& metrics);
  // Generations point to it.
  RunningAnswer(const RunningAnswer&) = delete;
  RunningAnswer& operator=(const RunningAnswer&) = delete;

  Generation& generation() { return *generation_; }
  const std::shared_ptr<Answer>& answer() const { return job_.answer; }
  const Session* session() const { return session_; }
  Clock::time_point begun() const { return begun_; }
  // Whether the session has taken in all of the prompt; once.
  bool has_just_read_its_prompt();

  // Ends the answer with what came of the generation. Once; REQUIRES generation().is_over().
  void finish();
  // Ends it with an error, at any time.
  void fail(Error error);

 private:
  RunningAnswer(const Engine& engine, Session& session, Job job, Metrics& metrics);

  GenerationRequest generation_request();
  bool take(int32_t id);
  Result<AnswerEnd> end_of(const GenerationResult& result);

  Job job_;
  Session* session_;
  Metrics& metrics_;
  AnswerDecoder decoder_;
  Clock::time_point begun_;
  std::optional<Clock::time_point> first_token_;
  uint64_t prompt_tokens_ = 0;
  bool has_read_prompt_ = false;
  uint64_t counted_tokens_ = 0;    // of those given out, in the metrics
  std::span<const float> logits_;  // that the next token is chosen from, while it is
  std::optional<Generation> generation_;
};

}  // namespace sluice
