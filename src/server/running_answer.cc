#include "server/running_answer.h"

#include "base/fail.h"
#include "server/token_logprobs.h"

namespace sluice {
namespace {

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

RunningAnswer::RunningAnswer(const Engine& engine, Session& session, Job job, Metrics& metrics)
    : job_(std::move(job)),
      session_(&session),
      metrics_(metrics),
      decoder_(*engine.tokenizer(), job_.request),
      begun_(Clock::now()) {}

std::unique_ptr<RunningAnswer> RunningAnswer::begin(Engine& engine, Session& session, Job job,
                                                    Metrics& metrics) {
  std::unique_ptr<RunningAnswer> running(new RunningAnswer(engine, session, std::move(job), metrics));
  metrics.observe_queue_wait(seconds(running->begun_ - running->job_.submitted));
  auto generation = Generation::begin(session, running->generation_request());
  if (!generation) {
    running->fail(std::move(generation).error());
    return nullptr;
  }
  running->generation_.emplace(*std::move(generation));
  return running;
}

GenerationRequest RunningAnswer::generation_request() {
  GenerationRequest request;
  request.context_ids = std::move(job_.context_ids);
  prompt_tokens_ = request.context_ids.size();
  request.mark_tokens = job_.mark_tokens;
  request.max_new_tokens = job_.request.max_tokens;
  request.sampling = job_.request.sampling;
  request.stop_at_end_of_text = !job_.request.ignore_end;
  request.cancel = job_.answer->cancelled();
  if (job_.request.top_logprobs)
    request.on_logits = [this](std::span<const float> logits) { logits_ = logits; };
  request.on_token = [this](int32_t id) { return take(id); };
  return request;
}

bool RunningAnswer::has_just_read_its_prompt() {
  if (has_read_prompt_ || session_->tokens_held() < prompt_tokens_) return false;
  has_read_prompt_ = true;
  return true;
}

bool RunningAnswer::take(int32_t id) {
  metrics_.count_tokens(0, 0, 1);
  ++counted_tokens_;
  if (!first_token_) {
    first_token_ = Clock::now();
    metrics_.observe_first_token(seconds(*first_token_ - job_.submitted));
  }
  std::optional<TokenLogprobs> logprobs;
  if (job_.request.top_logprobs) logprobs = token_logprobs(logits_, id, *job_.request.top_logprobs);
  job_.answer->add(decoder_.push(id), std::move(logprobs));
  return !decoder_.stopped_by();
}

void RunningAnswer::finish() {
  auto result = generation_->take_result();
  if (!result) return fail(std::move(result).error());
  auto end = end_of(*result);
  if (!end) return fail(std::move(end).error());
  job_.answer->finish(*std::move(end));
}

void RunningAnswer::fail(Error error) {
  metrics_.count_error(error.code);
  job_.answer->finish(tl::unexpected(std::move(error)));
}

Result<AnswerEnd> RunningAnswer::end_of(const GenerationResult& result) {
  const auto ended = Clock::now();
  job_.answer->add(decoder_.finish(), std::nullopt);
  const GenerationStats& stats = result.stats;
  metrics_.count_tokens(stats.prompt_tokens, stats.reused_tokens, stats.new_tokens - counted_tokens_);
  metrics_.observe_answer(seconds(ended - job_.submitted));
  if (first_token_ && result.ids.size() > 1) {
    metrics_.observe_token_time(seconds(ended - *first_token_) / static_cast<double>(result.ids.size() - 1));
  }
  if (result.finish == FinishReason::kCancelled && !decoder_.stopped_by())
    return sluice::fail(ErrorCode::kCancelled, "the request was cancelled");
  return AnswerEnd{.finish = result.finish,
                   .stopped_by = decoder_.stopped_by(),
                   .called_tools = decoder_.called_tools(),
                   .prompt_tokens = stats.prompt_tokens,
                   .reused_tokens = stats.reused_tokens,
                   .new_tokens = stats.new_tokens,
                   .reasoning_tokens = decoder_.reasoning_tokens()};
}

}  // namespace sluice
