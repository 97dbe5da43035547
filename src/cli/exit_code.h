// What the program tells scripts when it ends.
#pragma once

#include <string>

#include "sluice/result.h"

namespace sluice {

enum class ExitCode : int {
  kOk = 0,
  kNo = 1,             // the answer is no: verify found the model beyond its bounds, checksum damage,
                       // doctor that it cannot run here
  kUsage = 2,          // an option, an argument or a message that makes no sense
  kModelProblem = 3,   // a file is missing, damaged or of a kind that this build cannot run
  kIoProblem = 4,      // the operating system failed to read or write
  kDoesNotFit = 5,     // memory or context is too small
  kInternal = 70,      // a bug in Sluice
  kInterrupted = 130,  // Ctrl-C
  kReaderGone = 141,   // whoever read our output has left
};

// The one place that turns kinds of errors into exit codes.
ExitCode exit_code_of(ErrorCode code);

// The table above, for --help.
std::string exit_code_help();

}  // namespace sluice
