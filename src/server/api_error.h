// From errors to statuses.
#pragma once

#include "sluice/result.h"

namespace sluice {

// What a client is told when its request ends with such an error.
int http_status_of(ErrorCode code);

}  // namespace sluice
