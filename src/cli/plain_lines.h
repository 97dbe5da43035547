// Lines as they come: from a pipe, a file, or a terminal that can do no more.
#pragma once

#include <string>
#include <string_view>

#include "cli/line_reader.h"

namespace sluice {

class PlainLines : public LineReader {
 public:
  // The prompt goes to `prompts`, if that and the input are terminals. Both must outlive this object.
  PlainLines(int descriptor, Output& prompts, const Interrupts& interrupts)
      : descriptor_(descriptor), prompts_(prompts), interrupts_(interrupts) {}

  // The last line may lack its line break. kIo when the input cannot be read.
  Result<TypedLine> read(std::string_view prompt) override;

 private:
  int descriptor_;
  Output& prompts_;
  const Interrupts& interrupts_;
  std::string held_;  // read and not yet handed out
};

}  // namespace sluice
