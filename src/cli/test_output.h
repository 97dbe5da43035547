// Outputs that tests can look into.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "cli/output.h"

namespace sluice::testing {

using namespace ::testing;  // tests say testing:: for GoogleTest's names too

inline constexpr OutputTraits kPipe{};
inline constexpr OutputTraits kColourTerminal{.terminal = true, .colour = true, .rewrites = true};
inline constexpr OutputTraits kPlainTerminal{.terminal = true};

// A file in memory, and an Output that writes to it.
class CapturedOutput {
 public:
  explicit CapturedOutput(OutputTraits traits = kPipe)
      : descriptor_(memfd_create("output", 0)), output(descriptor_, traits) {}
  CapturedOutput(const CapturedOutput&) = delete;
  CapturedOutput& operator=(const CapturedOutput&) = delete;
  ~CapturedOutput() { close(descriptor_); }

  std::string text() const {
    std::string all(static_cast<size_t>(lseek(descriptor_, 0, SEEK_END)), '\0');
    const ssize_t count = pread(descriptor_, all.data(), all.size(), 0);
    return count == static_cast<ssize_t>(all.size()) ? all : "(unreadable)";
  }

 private:
  int descriptor_;

 public:
  Output output;
};

}  // namespace sluice::testing
