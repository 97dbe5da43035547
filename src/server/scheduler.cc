#include "server/scheduler.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "server/token_logprobs.h"

namespace sluice {
namespace {

constexpr double kMeanDecay = 0.8;
constexpr uint64_t kMaxRetryAfterSeconds = 600;

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Scheduler::Scheduler(Engine& engine, Limits limits, Metrics& metrics)
    : engine_(engine),
      limits_(limits),
      metrics_(metrics),
      sessions_(engine, limits.sessions),
      worker_([this] { work(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (const Job& job : queue_) job.answer->finish(fail(ErrorCode::kCancelled, "the server stops"));
    queue_.clear();
    if (running_) running_->cancel();
  }
  changed_.notify_all();
  worker_.join();
}

std::shared_ptr<Answer> Scheduler::submit(AnswerRequest request, std::vector<int32_t> context_ids) {
  auto answer = std::make_shared<Answer>();
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || queue_.size() >= limits_.waiting || answer->descriptor() < 0) return nullptr;
    queue_.push_back({answer, std::move(request), std::move(context_ids), Clock::now()});
  }
  changed_.notify_all();
  return answer;
}

void Scheduler::cancel(const std::shared_ptr<Answer>& answer) {
  answer->cancel();
  const std::lock_guard lock(mutex_);
  std::erase_if(queue_, [&](const Job& job) { return job.answer == answer; });
}

Scheduler::Load Scheduler::load() const {
  const std::lock_guard lock(mutex_);
  return {running_ ? size_t{1} : size_t{0}, queue_.size()};
}

uint64_t Scheduler::retry_after_seconds() const {
  const std::lock_guard lock(mutex_);
  const auto estimate = static_cast<uint64_t>(std::ceil(mean_seconds_));  // one answer later there is room
  return std::clamp<uint64_t>(estimate, 1, kMaxRetryAfterSeconds);
}

void Scheduler::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
    if (ending_) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    running_ = job.answer;
    lock.unlock();
    const auto begin = Clock::now();
    run(job);
    lock.lock();
    mean_seconds_ = kMeanDecay * mean_seconds_ + (1 - kMeanDecay) * seconds(Clock::now() - begin);
    running_.reset();
  }
}

void Scheduler::run(Job& job) {
  metrics_.observe_queue_wait(seconds(Clock::now() - job.submitted));
  auto end = generate(job);
  if (!end) metrics_.count_error(end.error().code);
  job.answer->finish(std::move(end));
}

Result<AnswerEnd> Scheduler::generate(Job& job) {
  AnswerDecoder decoder(*engine_.tokenizer(), job.request);
  Answer& answer = *job.answer;
  std::optional<Clock::time_point> first_token;
  std::span<const float> logits;  // that the next token is chosen from
  std::optional<TokenLogprobs> logprobs;
  uint64_t counted_tokens = 0;
  GenerationRequest request;
  request.context_ids = job.context_ids;
  request.max_new_tokens = job.request.max_tokens;
  request.sampling = job.request.sampling;
  request.stop_at_end_of_text = !job.request.ignore_end;
  request.cancel = answer.cancelled();
  if (job.request.top_logprobs) request.on_logits = [&](std::span<const float> of_next) { logits = of_next; };
  request.on_token = [&](int32_t id) {
    metrics_.count_tokens(0, 0, 1);
    ++counted_tokens;
    if (!first_token) {
      first_token = Clock::now();
      metrics_.observe_first_token(seconds(*first_token - job.submitted));
    }
    if (job.request.top_logprobs) logprobs = token_logprobs(logits, id, *job.request.top_logprobs);
    answer.add(decoder.push(id), std::exchange(logprobs, std::nullopt));
    return !decoder.stopped_by();
  };
  SLUICE_ASSIGN(const GenerationResult result, sessions_.generate(request));
  const auto ended = Clock::now();
  answer.add(decoder.finish(), std::nullopt);
  const GenerationStats& stats = result.stats;
  metrics_.count_tokens(stats.prompt_tokens, stats.reused_tokens, stats.new_tokens - counted_tokens);
  metrics_.observe_answer(seconds(ended - job.submitted));
  if (first_token && result.ids.size() > 1) {
    metrics_.observe_token_time(seconds(ended - *first_token) / static_cast<double>(result.ids.size() - 1));
  }
  if (result.finish == FinishReason::kCancelled && !decoder.stopped_by()) {
    return fail(ErrorCode::kCancelled, "the request was cancelled");
  }
  return AnswerEnd{.finish = result.finish,
                   .stopped_by = decoder.stopped_by(),
                   .called_tools = decoder.called_tools(),
                   .prompt_tokens = stats.prompt_tokens,
                   .reused_tokens = stats.reused_tokens,
                   .new_tokens = stats.new_tokens,
                   .reasoning_tokens = decoder.reasoning_tokens()};
}

}  // namespace sluice
