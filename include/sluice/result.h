// Errors as values: the one error type and the one result type of Sluice.
//
// Nothing in Sluice throws across a function boundary. A function that can fail returns Result<T>; its caller
// handles the error or passes it up with SLUICE_TRY. A message is written for the person who reads it: it
// names the file, tensor or field, says what was found and what was expected, and what can be done.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace sluice {

// What kind of failure: decides exit codes and HTTP statuses, never replaces the message.
enum class ErrorCode {
  kInvalidArgument,  // the caller asked for something impossible: a flag, a field, a range
  kNotFound,         // a file, folder or tensor is not there
  kCorrupt,          // bytes were read and make no sense: a bad header, a wrong shape or type
  kUnsupported,      // well formed, but this build cannot do it
  kIo,               // the operating system refused or failed: short read, EIO
  kOutOfBudget,      // memory or context that was promised would be exceeded
  kCancelled,        // the user stopped it
  kInternal,         // a bug in Sluice
};

// The name of a code, as it appears in JSON output: "io", "not_found", ...
const char* error_code_name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  // The same error with "<where>: " in front, for callers that know more than the callee.
  Error in(const std::string& where) && { return {code, where + ": " + message}; }
};

// Either a T or an Error; must be looked at. Built from a T, or from tl::unexpected(Error) (see base/fail.h).
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

}  // namespace sluice

#define SLUICE_CONCAT_INNER(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_INNER(a, b)

// SLUICE_TRY(expression): returns the error of a Status to the caller, if there is one.
#define SLUICE_TRY(expression)                                                  \
  do {                                                                          \
    if (auto sluice_status = (expression); !sluice_status.has_value())          \
      return tl::unexpected<::sluice::Error>(std::move(sluice_status).error()); \
  } while (false)

// SLUICE_ASSIGN(auto name, expression): the value of a Result, or returns its error to the caller.
#define SLUICE_ASSIGN(declaration, expression) \
  SLUICE_ASSIGN_AS(SLUICE_CONCAT(sluice_result_, __LINE__), declaration, expression)
#define SLUICE_ASSIGN_AS(name, declaration, expression)                                   \
  auto name = (expression);                                                               \
  if (!name.has_value()) return tl::unexpected<::sluice::Error>(std::move(name).error()); \
  declaration = std::move(*name)
