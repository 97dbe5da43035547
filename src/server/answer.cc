#include "server/answer.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace sluice {

Answer::Answer() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Answer::~Answer() {
  if (descriptor_ >= 0) close(descriptor_);
}

AnswerNews Answer::take() {
  uint64_t count = 0;
  while (read(descriptor_, &count, sizeof(count)) < 0 && errno == EINTR) continue;
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void Answer::add(std::vector<AnswerPart> parts, std::optional<TokenLogprobs> logprobs) {
  if (parts.empty() && !logprobs) return;
  {
    const std::lock_guard lock(mutex_);
    news_.parts.insert(news_.parts.end(), std::make_move_iterator(parts.begin()),
                       std::make_move_iterator(parts.end()));
    if (logprobs) news_.logprobs.push_back(*std::move(logprobs));
  }
  wake();
}

void Answer::finish(Result<AnswerEnd> end) {
  {
    const std::lock_guard lock(mutex_);
    news_.end = std::move(end);
  }
  wake();
}

void Answer::wake() const {
  const uint64_t one = 1;
  while (write(descriptor_, &one, sizeof(one)) < 0 && errno == EINTR) continue;
}

}  // namespace sluice
