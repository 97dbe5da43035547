#include "cli/exit_code.h"

namespace sluice {

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return ExitCode::kUsage;
    case ErrorCode::kNotFound:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
      return ExitCode::kModelProblem;
    case ErrorCode::kIo:
      return ExitCode::kIoProblem;
    case ErrorCode::kOutOfBudget:
      return ExitCode::kDoesNotFit;
    case ErrorCode::kCancelled:
      return ExitCode::kInterrupted;
    case ErrorCode::kInternal:
      return ExitCode::kInternal;
  }
  return ExitCode::kInternal;
}

std::string exit_code_help() {
  return "Exit codes:\n"
         "  0    done\n"
         "  1    the answer is no (verify: beyond the bounds; checksum --check: damage;\n"
         "       doctor: the model cannot run here)\n"
         "  2    an option, an argument or a message makes no sense\n"
         "  3    a file is missing, damaged, or of a kind that this build cannot run\n"
         "  4    reading or writing failed\n"
         "  5    it does not fit: memory or context is too small\n"
         "  70   a bug in Sluice\n"
         "  130  interrupted with Ctrl-C\n"
         "  141  whoever read the output has left\n";
}

}  // namespace sluice
