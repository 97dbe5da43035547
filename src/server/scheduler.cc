#include "server/scheduler.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"

namespace sluice {
namespace {

constexpr double kMeanDecay = 0.8;
constexpr uint64_t kMaxRetryAfterSeconds = 600;

}  // namespace

Scheduler::Scheduler(Engine& engine, Limits limits, Metrics& metrics, SnapshotStore* store)
    : engine_(engine),
      limits_(limits),
      metrics_(metrics),
      sessions_(engine, limits.sessions, store),
      worker_([this] { work(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    for (const Job& job : queue_) job.answer->finish(fail(ErrorCode::kCancelled, "the server stops"));
    queue_.clear();
    for (const auto& answer : present_) answer->cancel();
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
  return {present_.size(), queue_.size()};
}

// There is room when the next answer has ended, of those that are being made.
uint64_t Scheduler::retry_after_seconds() const {
  const std::lock_guard lock(mutex_);
  const double answers = static_cast<double>(std::max<size_t>(1, present_.size()));
  const auto estimate = static_cast<uint64_t>(std::ceil(mean_seconds_ / answers));
  return std::clamp<uint64_t>(estimate, 1, kMaxRetryAfterSeconds);
}

void Scheduler::work() {
  while (admit()) {
    step();
    retire();
  }
  sessions_.keep_all();
}

bool Scheduler::admit() {
  std::vector<Job> jobs;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ending_ || !queue_.empty() || !running_.empty(); });
    if (ending_ && running_.empty()) return false;
    while (!queue_.empty() && present_.size() < limits_.parallel) {
      present_.push_back(queue_.front().answer);
      jobs.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
  }
  for (Job& job : jobs) begin(std::move(job));
  return true;
}

void Scheduler::begin(Job job) {
  const std::shared_ptr<Answer> answer = job.answer;
  auto session = sessions_.lend(job.context_ids);
  std::unique_ptr<RunningAnswer> running;
  if (session) {
    job.mark_tokens = sessions_.shared_beginning(**session, job.context_ids);
    running = RunningAnswer::begin(engine_, **session, std::move(job), metrics_);
  } else {
    metrics_.count_error(session.error().code);
    answer->finish(tl::unexpected(session.error()));
  }
  if (running) return running_.push_back(std::move(running));
  if (session) sessions_.give_back(*session);
  const std::lock_guard lock(mutex_);
  std::erase(present_, answer);
}

void Scheduler::step() {
  std::vector<Generation*> generations;
  for (const auto& running : running_) generations.push_back(&running->generation());
  const auto figures = engine_.step(generations);
  if (figures) {
    metrics_.count_pass(*figures);
    for (const auto& running : running_)
      if (running->has_just_read_its_prompt()) sessions_.on_prompt(*running->session());
    return;
  }
  for (const auto& running : running_) {
    running->fail(figures.error());
    release(*running);
  }
  running_.clear();
}

void Scheduler::retire() {
  std::erase_if(running_, [this](const auto& running) {
    if (!running->generation().is_over()) return false;
    running->finish();
    release(*running);
    return true;
  });
  if (running_.empty()) metrics_.count_pass({});
}

void Scheduler::release(const RunningAnswer& running) {
  sessions_.give_back(running.session());
  const std::lock_guard lock(mutex_);
  const std::chrono::duration<double> taken = Clock::now() - running.begun();
  mean_seconds_ = kMeanDecay * mean_seconds_ + (1 - kMeanDecay) * taken.count();
  std::erase(present_, running.answer());
}

}  // namespace sluice
