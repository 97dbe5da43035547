// Ctrl-C as a value: something to wait for, or a stop token.
#pragma once

#include <csignal>
#include <initializer_list>
#include <stop_token>
#include <string_view>
#include <thread>

#include "sluice/result.h"

namespace sluice {

// While it lives, Ctrl-C does not end the process: it waits to be taken. Make it before the threads that
// shall live with it; at most one at a time. A process that ignores Ctrl-C (one in the background) goes on
// ignoring it.
class Interrupts {
 public:
  // kIo when the system has no descriptor left.
  static Result<Interrupts> catch_them() { return catch_signals({SIGINT}); }
  // Other signals too, which then count as Ctrl-C does: SIGTERM, for a server.
  static Result<Interrupts> catch_signals(std::initializer_list<int> signals);
  Interrupts(Interrupts&& other) noexcept;
  Interrupts& operator=(Interrupts&&) = delete;
  ~Interrupts();

  // Becomes readable when Ctrl-C was pressed, for poll().
  int descriptor() const { return descriptor_; }
  // Takes one Ctrl-C; false when none was pressed.
  bool take() const;

 private:
  friend class InterruptWatch;
  Interrupts(int descriptor, int end_descriptor, sigset_t before)
      : descriptor_(descriptor), end_descriptor_(end_descriptor), before_(before) {}

  int descriptor_;
  int end_descriptor_;   // a watch that shall end finds something to read here
  sigset_t before_;      // the thread's signal mask
  bool catches_ = true;  // false once moved from
};

// While it lives, a first Ctrl-C asks token() to stop, and a second one ends the process. One at a time.
class InterruptWatch {
 public:
  // `interrupts` must outlive this object, and `last_words` all: they are written to standard error before
  // the process ends, to leave a terminal as it was found.
  explicit InterruptWatch(const Interrupts& interrupts, std::string_view last_words = {});
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  ~InterruptWatch();

  std::stop_token token() const { return asked_.get_token(); }
  bool interrupted() const { return asked_.stop_requested(); }

 private:
  void watch();

  const Interrupts& interrupts_;
  std::string_view last_words_;
  std::stop_source asked_;
  std::thread thread_;
};

}  // namespace sluice
