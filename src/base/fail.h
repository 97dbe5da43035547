// fail(code, format, ...): the error branch of a Result, with a formatted message.
#pragma once

#include <fmt/format.h>

#include "sluice/result.h"

namespace sluice {

template <class... Args>
tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// The text of an errno value, e.g. "No such file or directory".
std::string errno_text(int error_number);

}  // namespace sluice
