#include "cli/interrupts.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/fail.h"

namespace sluice {
namespace {

sigset_t only_ctrl_c() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

// As if nobody had caught it: the shell sees a process that was interrupted.
void end_by_ctrl_c(std::string_view last_words) {
  if (!last_words.empty() && ::write(STDERR_FILENO, last_words.data(), last_words.size()) < 0) {
    // Whoever would have read them is gone.
  }
  std::signal(SIGINT, SIG_DFL);
  const sigset_t set = only_ctrl_c();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(SIGINT);
}

bool ctrl_c_is_ignored() {
  struct sigaction action {};
  return sigaction(SIGINT, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

// A blocked signal waits in the kernel, and a signalfd hands it out: there is no handler, so nothing that a
// handler may not do.
Result<Interrupts> Interrupts::catch_signals(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  // A blocked signal is kept even when it is ignored; so do not look at it then.
  if (ctrl_c_is_ignored()) sigdelset(&set, SIGINT);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before);
  const int descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  const int end_descriptor = eventfd(0, EFD_CLOEXEC);
  Interrupts interrupts(descriptor, end_descriptor, before);
  if (descriptor < 0 || end_descriptor < 0)
    return fail(ErrorCode::kIo, "cannot watch for Ctrl-C: {}", errno_text(errno));
  return interrupts;
}

Interrupts::Interrupts(Interrupts&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      end_descriptor_(std::exchange(other.end_descriptor_, -1)),
      before_(other.before_),
      catches_(std::exchange(other.catches_, false)) {}

Interrupts::~Interrupts() {
  if (!catches_) return;
  while (take()) continue;  // one that came too late to matter must not end the process now
  if (descriptor_ >= 0) close(descriptor_);
  if (end_descriptor_ >= 0) close(end_descriptor_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Interrupts::take() const {
  signalfd_siginfo info;
  return read(descriptor_, &info, sizeof(info)) == sizeof(info);
}

InterruptWatch::InterruptWatch(const Interrupts& interrupts, std::string_view last_words)
    : interrupts_(interrupts), last_words_(last_words), thread_([this] { watch(); }) {}

InterruptWatch::~InterruptWatch() {
  uint64_t count = 1;
  while (::write(interrupts_.end_descriptor_, &count, sizeof(count)) < 0 && errno == EINTR) continue;
  thread_.join();
  while (::read(interrupts_.end_descriptor_, &count, sizeof(count)) < 0 && errno == EINTR)
    continue;  // for the next one
}

void InterruptWatch::watch() {
  while (true) {
    pollfd waiting[] = {{interrupts_.descriptor(), POLLIN, 0}, {interrupts_.end_descriptor_, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if ((waiting[1].revents & POLLIN) != 0) return;
    if (!interrupts_.take()) continue;
    if (asked_.stop_requested()) end_by_ctrl_c(last_words_);
    asked_.request_stop();
  }
}

}  // namespace sluice
