#include "cli/print_error.h"

namespace sluice {

void print_error(Output& output, const Error& error) {
  output.end_line();
  if (error.code == ErrorCode::kCancelled) {
    output.write("sluice: interrupted\n");
    return;
  }
  // Messages quote what files say.
  output.write("sluice: " + output.styled(Style::kRed, "error:") + " " + without_controls(error.message) +
               "\n");
}

}  // namespace sluice
