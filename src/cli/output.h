// Where the program writes: standard output and standard error, and what may be done to each.
#pragma once

#include <string>
#include <string_view>

#include "sluice/result.h"

namespace sluice {

enum class Style { kDim, kBold, kRed, kGreen, kYellow };

// How a stream may be treated.
struct OutputTraits {
  bool terminal = false;  // a person is looking
  bool colour = false;    // and wants colours: not under NO_COLOR or TERM=dumb
  bool rewrites = false;  // and a line can be written over: not under TERM=dumb
  // What holds for a descriptor of this process.
  static OutputTraits of(int descriptor);
};

// Writes at once, unbuffered, so that the two streams stay in order on one terminal. One thread at a time.
class Output {
 public:
  // Does not own the descriptor. A negative one swallows everything.
  Output(int descriptor, OutputTraits traits) : descriptor_(descriptor), traits_(traits) {}
  static Output standard(int descriptor) { return {descriptor, OutputTraits::of(descriptor)}; }
  static Output none() { return {-1, {}}; }

  const OutputTraits& traits() const { return traits_; }

  // Writes our own text. After a failure nothing more is written, and status() says what happened.
  void write(std::string_view text);
  // Writes text from a model or a file: on a terminal, control characters other than line breaks and tabs
  // become U+FFFD, so that no text can play tricks with it.
  void write_foreign(std::string_view text);
  // Ends the line if text stands on it.
  void end_line();

  // `text` in a style, where colours are wanted; otherwise as it is.
  std::string styled(Style style, std::string_view text) const;

  // kIo with the system's reason when something could not be written.
  const Status& status() const { return status_; }
  // The reader of a pipe has closed it: a reason to stop, but no error to speak of.
  bool reader_is_gone() const { return reader_is_gone_; }

 private:
  int descriptor_;
  OutputTraits traits_;
  bool at_line_start_ = true;
  bool reader_is_gone_ = false;
  Status status_;
};

// `text` with control characters other than \n and \t replaced by U+FFFD. Works on whole UTF-8 characters.
std::string without_controls(std::string_view text);

}  // namespace sluice
