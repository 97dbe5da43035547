#include "server/api_error.h"

namespace sluice {

int http_status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kOutOfBudget:  // a prompt longer than the context
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kCancelled:  // by the server: it stops
      return 503;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace sluice
